/** Where a session on a host starts, and what a shell on a terminal is shown first. Pure. */
import type { Connection } from './connection-file.ts';
import type { KnownTarget } from './login-names.ts';
import type { RunReply } from './route-reply.ts';
import { welcomeText } from './welcome.ts';

/** Several targets may share a login: what differs between them is left out. */
export function sessionStart(targets: readonly KnownTarget[], connection: Connection): RunReply {
  const common = <Value>(of: (target: KnownTarget) => Value | null): Value | null => {
    const values = new Set(targets.map(of));
    const [value = null] = values;
    return values.size === 1 ? value : null;
  };
  return {
    folder: common(({ folder }) => folder),
    environment: common(({ envFile }) => envFile),
    welcome: welcomeText(targets, connection),
  };
}
