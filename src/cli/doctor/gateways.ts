/** Which gateways are reached from here, and on which of their ports. */
import { readFile } from 'node:fs/promises';
import { isSallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { type GatewayPlace, portFailure } from '../network/gateway-ports.ts';
import { printable } from '../printable.ts';
import { seenTargets } from '../reach/seen-targets.ts';
import { hostSuffix } from '../ssh-config-text.ts';
import { type Finding, ok, unknown } from './finding.ts';

export interface GatewayFacts {
  readonly name: string;
  readonly address: string;
  /** Why each port cannot be used; null: it can. */
  readonly ports: readonly { readonly port: number; readonly failure: string | null }[];
}

/** Those that the server names; without it those that the ssh config does. */
export async function gatherGateways(
  context: SallyContext,
  { isServerAsked }: { readonly isServerAsked: boolean },
): Promise<GatewayFacts[]> {
  const places = (isServerAsked && (await toldByServer(context))) || (await inConfig(context));
  return await Promise.all(
    places.map(async ({ name, address, ports }) => ({
      name,
      address,
      ports: await Promise.all(
        ports.map(async (port) => ({
          port,
          failure:
            (await portFailure(context, { address }, port).catch((error: Error) => error.message)) ?? null,
        })),
      ),
    })),
  );
}

async function toldByServer(context: SallyContext): Promise<GatewayPlace[] | undefined> {
  try {
    const { gateways } = await seenTargets({ ...context, mayStepUp: false });
    return [...gateways.values()];
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    return undefined;
  }
}

/** A gateway's stanza has no ProxyJump, and its alias is its own name. */
async function inConfig({ paths }: SallyContext): Promise<GatewayPlace[]> {
  const text = await readFile(paths.hosts, 'utf8').catch(() => '');
  const stanzas = text.matchAll(
    new RegExp(`^Host ([a-z0-9-]+)\\.${hostSuffix}\\n {2}HostName (\\S+)\\n {2}Port ([0-9]+)\\n`, 'gm'),
  );
  const found = [...stanzas].map(([, name = '', address = '', port = '']) => ({
    name,
    address,
    ports: [Number(port)],
  }));
  return found.filter(({ name }) => !name.includes('--'));
}

export function judgeGateways(gateways: readonly GatewayFacts[]): Finding[] {
  if (gateways.length === 0) return [unknown('gateways', 'no gateway is known here')];
  const found = gateways.flatMap((gateway) => judged(gateway) ?? []);
  if (found.length > 0) return found;
  const names = gateways.map(({ name }) => name).slice(0, 5);
  return [
    ok('gateways', `reached: ${names.join(', ')}${gateways.length > names.length ? ' and others' : ''}`),
  ];
}

function judged({ name, address, ports }: GatewayFacts): Finding | undefined {
  const blocked = ports.filter(({ failure }) => failure !== null);
  if (blocked.length === 0) return undefined;
  const open = ports.filter(({ failure }) => failure === null).map(({ port }) => port);
  const why = printable(blocked[0]?.failure ?? '');
  if (open.length > 0) {
    const which = blocked.map(({ port }) => port).join(', ');
    return {
      check: 'gateways',
      outcome: 'warning',
      says: `The gateway ${name} is not reached on port ${which}, but on ${open.join(', ')}. ${why}`,
      fix:
        ports[0]?.failure === null
          ? 'Nothing need be done here'
          : 'sally doctor --fix writes the port that answers into the ssh config; sally ssh finds it by itself',
      ...(ports[0]?.failure !== null && {
        repair: { kind: 'port', gateway: { name, address, ports: ports.map(({ port }) => port) } },
      }),
    };
  }
  const hasName = /no host of this name|could not be looked up/.test(why);
  return {
    check: 'gateways',
    outcome: 'problem',
    says: `The gateway ${name} (${address}) is not reached on port ${ports.map(({ port }) => port).join(', ')}. ${why}`,
    fix: hasName
      ? `Look at DNS and the VPN; the name is ${address}`
      : 'Ask whoever runs the firewall between here and there for one of these ports; or name a proxy: all_proxy=socks5://HOST:PORT',
  };
}
