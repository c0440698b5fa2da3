/**
 * GET /ssh/info: by what people know the gateways, for everybody. GET /v1/ssh/hosts: the same of the hosts that somebody
 * may reach.
 */
import { z } from 'zod';
import { address, keyLine, port, slug } from './common.ts';

/** A key as people compare it. */
const shownKey = z.strictObject({
  /** As `ssh-keyscan` names it, such as ssh-ed25519. */
  type: z.string(),
  /** `SHA256:` and 43 characters. */
  fingerprint: z.string(),
});

const machine = z.strictObject({
  name: slug,
  /** Where it is found: its address, and the names that its host certificate is good for besides. */
  host_names: z.array(address).min(1),
  /** In the order in which clients try them. */
  ports: z.array(port).min(1),
  host_keys: z.array(shownKey).min(1),
});

const authority = shownKey.extend({
  /** An authorized_keys line. */
  public_key: keyLine,
});

export const sshInfo = z.strictObject({
  /** `ssh <name>.<suffix>`, as `sally` writes it into the ssh config. */
  suffix: z.string(),
  gateways: z.array(machine),
  /** Who signs host keys; `known_hosts` is a line that makes ssh believe the gateways above, whatever their keys. */
  host_authorities: z.array(authority.extend({ known_hosts: z.string() })),
  /** Who signs certificates of people: what `TrustedUserCAKeys` lists. */
  user_authorities: z.array(authority),
});

export const hostInfo = z.strictObject({
  hosts: z.array(machine.extend({ targets: z.array(z.string()) })),
});

export type SshInfo = z.infer<typeof sshInfo>;
export type HostInfo = z.infer<typeof hostInfo>;
