import { sshInfo } from '../../api/ssh-info.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { callOpen } from '../api-client.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printTable } from '../print-table.ts';
import { printable } from '../printable.ts';
import { demoServer, parseServerUrl } from '../server-url.ts';
import { readSessionFacts } from '../session-file.ts';

export interface FingerprintOptions {
  readonly server?: string;
  readonly json?: boolean;
}

/** By what the gateways are known, as their server publishes it. Nobody need be logged in. */
export async function gatewayFingerprint(
  context: SallyContext,
  name: string | undefined,
  { server, json }: FingerprintOptions,
): Promise<ExitName> {
  const { terminal, environment } = context;
  const from = parseServerUrl(server ?? environment.server ?? (await serverOfLogin(context)) ?? demoServer);
  const info = await callOpen(context, from, { method: 'GET', path: '/ssh/info', reply: sshInfo });
  const gateways = info.gateways.filter((gateway) => name === undefined || isCalled(gateway, name));
  if (name !== undefined && gateways.length === 0) {
    throw new SallyportError(
      'not_found',
      `${from.origin} has no gateway of this name. Those that there are: sally gateway fingerprint`,
    );
  }
  if (json) {
    terminal.print(JSON.stringify(name === undefined ? info : { ...info, gateways }, null, 2));
    return 'done';
  }
  const rows = gateways.flatMap(({ name, address, ports, host_keys }) =>
    host_keys.map(({ type, fingerprint }) => [name, address, ports.join(','), type, fingerprint]),
  );
  printTable(
    context,
    ['GATEWAY', 'ADDRESS', 'PORTS', 'TYPE', 'FINGERPRINT'],
    rows.map((row) => row.map(printable)),
  );
  for (const { type, fingerprint } of info.host_authorities) {
    terminal.say(terminal.dim(`Their certificates are signed by ${printable(`${fingerprint} (${type})`)}`));
  }
  return 'done';
}

function isCalled(
  { name, address, host_names }: { name: string; address: string; host_names: readonly string[] },
  asked: string,
): boolean {
  return [name, address, ...host_names].some((one) => one.toLowerCase() === asked.toLowerCase());
}

async function serverOfLogin(context: SallyContext): Promise<string | undefined> {
  return (await readSessionFacts(context).catch(() => undefined))?.server;
}
