/** GET /v1/ssh-configuration: everything `sally` needs to write its ssh config and known_hosts. */
import { z } from 'zod';
import { environmentName } from './certificates.ts';
import { accountName, address, keyLine, login, port, slug, targetName } from './common.ts';

export const sshConfiguration = z.strictObject({
  account: accountName,
  /** Host names end in this, without a dot in front; the ssh config maps nothing else. */
  suffix: z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/),
  /** Public keys of the host CA. */
  host_authorities: z.array(keyLine).min(1),
  gateways: z.array(
    z.strictObject({
      /** `ssh <name>.<suffix>` */
      name: slug,
      address,
      port,
      /** Where it listens besides, in the order in which clients try them. */
      ports: z.array(port).optional(),
      /** null: the login name is the target's name. */
      login: login.nullable(),
    }),
  ),
  targets: z.array(
    z.strictObject({
      name: targetName,
      /** null: there is none in front of its host, which lets people in itself. */
      gateway: slug.nullable(),
      address,
      port,
      login,
      /** relay: only through a gateway that sees the session, logged in there as the target's name. */
      access: z.enum(['relay', 'jump', 'both']).optional(),
      /** It wants a second factor that is at most so many seconds old; null: of any age. Absent: it wants none. */
      mfa_max_age: z.int().min(0).nullable().optional(),
      /** Its host has no companion: it knows nobody's roles, but for those that a certificate narrowed to this names. */
      narrow_to: environmentName.optional(),
    }),
  ),
});

export type SshConfiguration = z.infer<typeof sshConfiguration>;
