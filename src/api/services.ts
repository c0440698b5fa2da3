/** GET /v1/services: what one may tunnel to by way of a target, and what of its environment one may not. */
import { z } from 'zod';
import { accountName, address, port, slug, targetName } from './common.ts';

export const servicesQuery = z.strictObject({ target: targetName });

/** What listens there, such as postgresql. */
const kind = z.string().regex(/^[a-z0-9-]{1,32}$/);
const name = z
  .string()
  .max(63)
  .regex(/^[^\p{C}]*$/u);

export const openService = z.strictObject({
  name: slug,
  kind,
  /** As gateways permit it: seen from them. */
  address,
  port,
  /** Whom one logs in there as, and to which database, where somebody has said so; nobody tells a password. */
  login: name.nullable(),
  database: name.nullable(),
});

export const servicesReply = z.strictObject({
  account: accountName,
  target: targetName,
  /** By name. */
  services: z.array(openService),
  closed: z.array(
    z.strictObject({
      name: slug,
      kind,
      reason: z.enum(['forwarding_off', 'role_too_low']),
      /** What a tunnel to it asks for. */
      role: z.enum(['viewer', 'contributor', 'admin']),
    }),
  ),
});

export type OpenService = z.infer<typeof openService>;
export type ServicesReply = z.infer<typeof servicesReply>;
