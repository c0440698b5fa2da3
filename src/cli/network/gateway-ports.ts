/**
 * Gateways that listen on several ports: which one works where this machine is now. A port that answers is remembered for
 * the network, and written into the ssh config, so that plain ssh takes it too.
 */
import { z } from 'zod';
import { slug } from '../../api/common.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { readPrivateFile, writeFileAtomically } from '../../files/write-file.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import type { StatePaths } from '../state-paths.ts';
import { requireSshd } from './connect.ts';
import { proxyFor } from './proxy.ts';

export interface GatewayPlace {
  readonly name: string;
  readonly address: string;
  /** In the order in which they are tried. */
  readonly ports: readonly number[];
}

const remembered = z.strictObject({
  network: z.string(),
  gateway: slug,
  port: z.int().min(1).max(65_535),
  /** Unix seconds, when it answered last. */
  at: z.int(),
});
const memory = z.strictObject({ v: z.literal(1), ports: z.array(remembered) });

type Remembered = z.infer<typeof remembered>;

const mostRemembered = 200;
/** How long a port that has answered is taken without asking it again. */
const trustedSeconds = 600;
const patienceMilliseconds = 4_000;

/** The port that worked last on this network, by gateway. */
export async function rememberedPorts(context: SallyContext): Promise<ReadonlyMap<string, number>> {
  const here = (await readMemory(context.paths)).filter(({ network }) => network === networkOf(context));
  return new Map(here.map(({ gateway, port }) => [gateway, port]));
}

export interface FoundPort {
  readonly port: number;
  /** It has answered just now, not some minutes ago. */
  readonly isTried: boolean;
}

/**
 * The port to take now. A gateway with one port is not asked, and one that answered lately isn't either.
 * @throws unavailable if none of several answers
 */
export async function workingPort(
  context: SallyContext,
  gateway: GatewayPlace,
  { again = false } = {},
): Promise<FoundPort> {
  const { debug, terminal } = context;
  const [first = 22, ...others] = gateway.ports;
  if (others.length === 0) return { port: first, isTried: false };
  const known = (await readMemory(context.paths)).find(
    (one) => one.network === networkOf(context) && one.gateway === gateway.name,
  );
  const last = known && gateway.ports.includes(known.port) ? known : undefined;
  const age = nowSeconds(context) - (last?.at ?? 0);
  if (last && !again && age >= 0 && age < trustedSeconds) {
    debug.say(`gateway ${gateway.name}: port ${last.port} answered ${age} s ago on this network`);
    return { port: last.port, isTried: false };
  }
  const failures: string[] = [];
  for (const port of new Set([...(last ? [last.port] : []), ...gateway.ports])) {
    const failure = await portFailure(context, gateway, port);
    debug.say(`gateway ${gateway.name}: port ${port} ${failure ?? 'answers'}`);
    if (failure !== undefined) {
      failures.push(failure);
      continue;
    }
    await remember(context, { gateway: gateway.name, port });
    if (failures.length > 0) terminal.tell(`sally: ${failures.join(' ')} Port ${port} answers.`);
    return { port, isTried: true };
  }
  throw new SallyportError(
    'unavailable',
    `The gateway ${gateway.name} answers on none of its ports. ${failures.join(' ')} Is this machine online, and may it connect to them?`,
  );
}

/** Why ssh cannot connect to this port; undefined if it can. */
export async function portFailure(
  { environment }: SallyContext,
  { address }: Pick<GatewayPlace, 'address'>,
  port: number,
): Promise<string | undefined> {
  try {
    const proxy = proxyFor(environment.proxies ?? {}, address);
    await requireSshd({ host: address, port }, proxy, patienceMilliseconds);
    return undefined;
  } catch (error) {
    if (error instanceof SallyportError && error.code === 'unavailable') return error.message;
    throw error;
  }
}

async function remember(
  context: SallyContext,
  { gateway, port }: Pick<Remembered, 'gateway' | 'port'>,
): Promise<void> {
  const network = networkOf(context);
  const others = (await readMemory(context.paths)).filter(
    (one) => one.network !== network || one.gateway !== gateway,
  );
  const ports = [{ network, gateway, port, at: nowSeconds(context) }, ...others].slice(0, mostRemembered);
  await writeFileAtomically(context.paths.ports, `${JSON.stringify({ v: 1, ports }, null, 2)}\n`, {
    mode: 0o600,
  });
}

function networkOf({ environment }: SallyContext): string {
  return environment.network ?? '';
}

async function readMemory(paths: StatePaths): Promise<Remembered[]> {
  const bytes = await readPrivateFile(paths.ports).catch(() => undefined);
  if (!bytes) return [];
  try {
    return memory.parse(JSON.parse(bytes.toString('utf8'))).ports;
  } catch {
    return [];
  }
}
