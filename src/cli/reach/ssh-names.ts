/** How a target is written for plain ssh. Pure. */
import type { SeenGateway, SeenTarget } from '../../api/targets.ts';
import { sallyportHost } from '../ssh-config-text.ts';

export interface SshName {
  readonly way: 'relay' | 'jump' | 'host';
  readonly user: string;
  readonly host: string;
  /** Of the sshd that is logged in to. */
  readonly port: number;
  /** Of its host key, where it is known. */
  readonly fingerprint: string | null;
}

/** With the login name that the ssh config would take as well. */
export function sshNameOf(target: SeenTarget, gateway: SeenGateway | undefined): SshName {
  const { name, login, port, fingerprint, access } = target;
  if (!gateway) return { way: 'host', user: login, host: sallyportHost(name), port, fingerprint };
  if (access !== 'relay') return { way: 'jump', user: login, host: sallyportHost(name), port, fingerprint };
  return {
    way: 'relay',
    user: gateway.login ?? name,
    host: sallyportHost(gateway.login === null ? gateway.name : name),
    port: gateway.ports[0] ?? 22,
    fingerprint: gateway.fingerprint,
  };
}
