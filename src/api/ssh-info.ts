/** GET /ssh/info and GET /v1/ssh/info: by what people know the gateways and the CAs. For everybody. */
import { z } from 'zod';
import { address, keyLine, port, slug } from './common.ts';

/** A key as people compare it. */
const shownKey = z.strictObject({
  /** As `ssh-keyscan` names it, such as ssh-ed25519. */
  type: z.string(),
  /** `SHA256:` and 43 characters. */
  fingerprint: z.string(),
});

const gateway = z.strictObject({
  name: slug,
  address,
  /** More names that its host certificate is good for; several gateways may share one. */
  host_names: z.array(address),
  /** In the order in which clients try them. */
  ports: z.array(port).min(1),
  /** The same on every port. */
  host_keys: z.array(shownKey).min(1),
});

const authority = shownKey.extend({
  /** An authorized_keys line. */
  public_key: keyLine,
});

export const sshInfo = z.strictObject({
  /** `ssh <name>.<suffix>`, as `sally` writes it into the ssh config. */
  suffix: z.string(),
  gateways: z.array(gateway),
  /**
   * Who signs host keys; `known_hosts` is the line that makes ssh believe gateways by their names below `suffix` and below
   * the domains of their organizations, whatever their keys.
   */
  host_authorities: z.array(authority.extend({ known_hosts: z.string() })),
  /** Who signs certificates of people: what `TrustedUserCAKeys` lists. */
  user_authorities: z.array(authority),
});

export type SshInfo = z.infer<typeof sshInfo>;
