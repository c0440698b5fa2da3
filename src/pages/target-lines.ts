/** The lines that reach a target: with sally's ssh config, and with an ssh that has only a certificate. Pure. */
import type { SeenGateway, SeenTarget } from '../api/targets.ts';

export interface TargetLine {
  readonly program: 'ssh' | 'scp' | 'sftp';
  readonly text: string;
}

const suffix = 'sallyport';

/** Where `sally login` has set ssh up. */
export function sallyLines({ name }: SeenTarget): TargetLine[] {
  const host = `${name}.${suffix}`;
  return [
    { program: 'ssh', text: `ssh ${host}` },
    { program: 'scp', text: `scp FILE ${host}:` },
    { program: 'sftp', text: `sftp ${host}` },
  ];
}

/**
 * Everything spelled out, for an ssh that knows nothing of us; the key and its certificate are named as ID. The jump is a
 * ProxyCommand, since ssh gives no key of the command line to the ssh that jumps (ssh(1), -J). Empty where there is no way.
 */
export function plainLines(target: SeenTarget, gateway: SeenGateway | undefined): TargetLine[] {
  const place = placeOf(target, gateway);
  if (!place) return [];
  const { options, port, at } = place;
  const words = (program: TargetLine['program'], ...operands: readonly string[]) => {
    const portWords = port === 22 ? [] : [program === 'ssh' ? '-p' : '-P', String(port)];
    return { program, text: [program, '-i ID', ...options, ...portWords, ...operands].join(' ') };
  };
  return [words('ssh', at), words('scp', 'FILE', `${bracketed(at)}:`), words('sftp', at)];
}

interface Place {
  readonly options: readonly string[];
  readonly port: number;
  /** user@address */
  readonly at: string;
}

function placeOf(target: SeenTarget, gateway: SeenGateway | undefined): Place | undefined {
  const { name, login, address, port, ways, fingerprint } = target;
  // A machine that is enrolled has a certificate of this name, and none of its address.
  const own = { options: fingerprint === null ? [] : [keyAlias(name)], port, at: `${login}@${address}` };
  if (!gateway) return ways.includes('host') ? own : undefined;
  const user = `${gateway.login ?? name}@${gateway.address}`;
  const gatewayPort = gateway.ports[0] ?? 22;
  const alias = keyAlias(gateway.name);
  if (ways.includes('jump')) {
    const portWords = gatewayPort === 22 ? [] : [`-p ${gatewayPort}`];
    const jump = ['ssh -i ID', alias, ...portWords, '-W %h:%p', user].join(' ');
    return { ...own, options: [...own.options, `-o "ProxyCommand=${jump}"`] };
  }
  return ways.includes('relay') ? { options: [alias], port: gatewayPort, at: user } : undefined;
}

function keyAlias(name: string): string {
  return `-o HostKeyAlias=${name}.${suffix}`;
}

/** An IPv6 address before a colon stands in brackets (scp(1)). */
function bracketed(at: string): string {
  const [user = '', address = ''] = at.split('@');
  return address.includes(':') ? `${user}@[${address}]` : at;
}
