import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { chosenTunnels, oneTunnel } from '../tunnels/choose-tunnels.ts';
import { encoded, openServices, relationshipsOf, urlOf } from '../tunnels/relationships.ts';
import { type Shell, shellLines } from '../tunnels/shell-lines.ts';
import { printTunnel, tunnelDocument } from '../tunnels/tunnel-lines.ts';
import { isOver, placeOf, type Tunnel } from '../tunnels/tunnel-state.ts';
import { readTunnels } from '../tunnels/tunnel-store.ts';

export interface TunnelInfoOptions {
  readonly name?: string | undefined;
  readonly encode?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** What a tunnel is; with --encode as programs take their services from the environment. */
export async function tunnelInfo(context: SallyContext, options: TunnelInfoOptions): Promise<ExitName> {
  const { name, encode, json } = options;
  const { terminal } = context;
  const tunnels = await readTunnels(context);
  if (encode) {
    const some = ofOneEnvironment(tunnels, name);
    tellOfPasswords(context);
    terminal.print(json ? JSON.stringify(relationshipsOf(some), null, 2) : encoded(some));
    return 'done';
  }
  const chosen = chosenTunnels(tunnels, name);
  if (json) {
    const documents = chosen.map((tunnel) => tunnelDocument(context, tunnel));
    terminal.print(JSON.stringify({ tunnels: documents }, null, 2));
    return 'done';
  }
  if (chosen.length === 0) terminal.print('No tunnel is open.');
  for (const [at, tunnel] of chosen.entries()) {
    if (at > 0) terminal.print();
    printTunnel(context, tunnel);
  }
  return 'done';
}

export interface TunnelEnvOptions {
  readonly name?: string | undefined;
  readonly shell: Shell;
}

/** For `eval`: nothing is printed unless all of it is true. */
export async function tunnelEnv(context: SallyContext, { name, shell }: TunnelEnvOptions): Promise<ExitName> {
  const some = ofOneEnvironment(await readTunnels(context), name);
  const urls = openServices(some).map((service) => ({
    name: `APP_${service.name.toUpperCase().replaceAll('-', '_')}_URL`,
    value: urlOf(service),
  }));
  const lines = shellLines(shell, [{ name: 'APP_RELATIONSHIPS', value: encoded(some) }, ...urls]);
  tellOfPasswords(context);
  for (const line of lines) context.terminal.print(line);
  return 'done';
}

/** Services of two environments may have the same name: a program is told of one. @throws not_found, name_refused, unavailable */
function ofOneEnvironment(tunnels: readonly Tunnel[], name: string | undefined): readonly Tunnel[] {
  const alive = tunnels.filter((tunnel) => !isOver(tunnel));
  const chosen = chosenTunnels(alive, name);
  const places = new Set(chosen.map(placeOf));
  const some = places.size === 1 ? chosen : [oneTunnel(chosen, undefined)];
  const down = some.find(({ status }) => status !== 'up');
  if (!down) return some;
  throw new SallyportError(
    'unavailable',
    `The tunnel to ${placeOf(down)} is ${down.status}. Look with: sally tunnel info ${down.id}`,
  );
}

function tellOfPasswords({ terminal }: SallyContext): void {
  terminal.tell('sally: without passwords: those are between you and the services.');
}
