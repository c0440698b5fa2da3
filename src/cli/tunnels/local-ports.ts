/**
 * Which port of this machine a service has: from 30000 on, and the same one each time, so that what the person has written
 * into a client's settings stays true.
 */
import { createServer } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { readPrivateFile, writeFileAtomically } from '../../files/write-file.ts';
import type { SallyContext } from '../context.ts';
import { tunnelsFolder } from './tunnel-store.ts';

const firstPort = 30_000;
const lastPort = 39_999;
const mostRemembered = 2_000;

const remembered = z.strictObject({
  server: z.string(),
  /** `<project>.<environment>.<service>` */
  service: z.string(),
  port: z.int().min(firstPort).max(lastPort),
});
const memory = z.strictObject({ v: z.literal(1), ports: z.array(remembered) });
type Remembered = z.infer<typeof remembered>;

export interface PortWishes {
  readonly server: string;
  readonly project: string;
  readonly environment: string;
  readonly services: readonly string[];
  /** Of tunnels that are there, whether ssh listens just now or not. */
  readonly taken: ReadonlySet<number>;
  readonly gatewayPorts: boolean;
}

/** To be called under the lock of the tunnels. @returns ports by service @throws in_use */
export async function portsFor(
  context: SallyContext,
  { server, project, environment, services, taken, gatewayPorts }: PortWishes,
): Promise<ReadonlyMap<string, number>> {
  const known = await readMemory(context);
  const chosen = new Map<string, number>();
  const fresh: Remembered[] = [];
  const isFree = async (port: number) =>
    !taken.has(port) && ![...chosen.values()].includes(port) && (await isPortFree(port, gatewayPorts));
  for (const name of services) {
    const service = `${project}.${environment}.${name}`;
    const own = known.find((one) => one.server === server && one.service === service);
    if (own && (await isFree(own.port))) {
      chosen.set(name, own.port);
      continue;
    }
    const others = new Set([...known, ...fresh].map(({ port }) => port));
    const port = await firstFree(async (one) => !others.has(one) && (await isFree(one)));
    chosen.set(name, port);
    if (!own) fresh.push({ server, service, port });
    else context.terminal.tell(`sally: port ${own.port} is taken here; ${name} is at ${port} this time.`);
  }
  if (fresh.length > 0) await writeMemory(context, [...known, ...fresh]);
  return chosen;
}

/** Whether a server of ours could listen there now. */
export async function isPortFree(port: number, gatewayPorts: boolean): Promise<boolean> {
  return (await listenFailure(port, gatewayPorts)) === undefined;
}

/** @throws in_use, settings_invalid: the port that was asked for can't be had */
export async function requirePort(port: number, gatewayPorts: boolean): Promise<void> {
  const failure = await listenFailure(port, gatewayPorts);
  if (failure === undefined) return;
  if (failure === 'EACCES') {
    throw new SallyportError(
      'settings_invalid',
      `Port ${port} is not yours to listen at. Take one from 1024 on, or leave --port away.`,
    );
  }
  throw new SallyportError(
    'in_use',
    `Port ${port} is taken here by another program. Name another one, or leave --port away.`,
  );
}

async function listenFailure(port: number, gatewayPorts: boolean): Promise<string | undefined> {
  for (const host of gatewayPorts ? ['0.0.0.0', '::'] : ['127.0.0.1']) {
    const failure = await new Promise<string | undefined>((resolve) => {
      const server = createServer();
      server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'unknown'));
      server.listen({ port, host, ipv6Only: host === '::' }, () => server.close(() => resolve(undefined)));
    });
    // A machine without IPv6 has nobody to be told of by it.
    if (failure !== undefined && !(host === '::' && /^E(AFNOSUPPORT|ADDRNOTAVAIL)$/.test(failure)))
      return failure;
  }
  return undefined;
}

async function firstFree(isFree: (port: number) => Promise<boolean>): Promise<number> {
  for (let port = firstPort; port <= lastPort; port += 1) if (await isFree(port)) return port;
  throw new SallyportError(
    'in_use',
    `No port from ${firstPort} to ${lastPort} is free here. Close some tunnels: sally tunnel list`,
  );
}

function memoryPath({ paths }: SallyContext): string {
  return join(tunnelsFolder(paths), 'ports.json');
}

async function readMemory(context: SallyContext): Promise<Remembered[]> {
  const bytes = await readPrivateFile(memoryPath(context));
  if (!bytes) return [];
  try {
    return memory.parse(JSON.parse(bytes.toString('utf8'))).ports;
  } catch {
    context.debug.say('ports.json of the tunnels is not readable; ports are given anew');
    return [];
  }
}

async function writeMemory(context: SallyContext, ports: readonly Remembered[]): Promise<void> {
  const text = `${JSON.stringify({ v: 1, ports: ports.slice(-mostRemembered) }, null, 2)}\n`;
  await writeFileAtomically(memoryPath(context), text, { mode: 0o600 });
}
