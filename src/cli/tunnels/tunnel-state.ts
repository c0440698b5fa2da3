/**
 * `~/.ssh/sallyport/tunnels/<id>/state.json`: one tunnel as its supervisor last wrote it. Changes to its shape get a new `v`.
 * While a tunnel has a supervisor, nobody else writes the file.
 */
import { z } from 'zod';
import { slug, targetName, unixSeconds } from '../../api/common.ts';
import { openService } from '../../api/services.ts';
import { processIdentity } from './process-identity.ts';

const tunnelService = openService.extend({
  local_port: z.int().min(1).max(65_535),
  /** false: since it was opened the service has gone, or is closed to this person. */
  open: z.boolean(),
});

export const tunnelState = z.strictObject({
  v: z.literal(1),
  id: z.string().regex(/^[0-9a-f]{8}$/),
  /** The machine that it is of: others may have the same home. */
  machine: z.string(),
  profile: z.string(),
  server: z.url(),
  account: z.string(),
  project: slug,
  environment: slug,
  environment_kind: z.enum(['production', 'staging', 'development']),
  app: slug,
  /** By way of which it goes now: another one after an instance was replaced. */
  target: targetName,
  /** foreground: of a command that still runs. */
  mode: z.enum(['background', 'foreground']),
  /** Other machines may use it too. */
  gateway_ports: z.boolean(),
  opened_at: unixSeconds,
  /** refused, failed: for good; there is no supervisor any more. */
  status: z.enum(['opening', 'up', 'reconnecting', 'refused', 'failed']),
  /** When it came to that. */
  since: unixSeconds,
  /** Why it is not up. */
  why: z.string().nullable(),
  supervisor: processIdentity.nullable(),
  ssh: processIdentity.nullable(),
  services: z.array(tunnelService).min(1),
});

export type Tunnel = z.infer<typeof tunnelState>;
export type TunnelService = z.infer<typeof tunnelService>;

/** How an environment is named in one word. */
export function placeOf({ project, environment }: Pick<Tunnel, 'project' | 'environment'>): string {
  return `${project}-${environment}`;
}

export function isOver({ status }: Tunnel): boolean {
  return status === 'refused' || status === 'failed';
}
