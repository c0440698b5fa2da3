import type { Command } from 'commander';
import { type Go, sub } from './build.ts';

export function addAdminCommands(program: Command, go: Go): void {
  const admin = sub(program, 'admin', 'for admins');
  const sessions = sub(admin, 'sessions', 'login sessions of the organization');
  sub(sessions, 'list', 'who is logged in')
    .option('--all', 'ended ones too')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) =>
        (await import('../commands/admin-sessions.ts')).adminSessionsList(context, options),
      ),
    );
  sub(sessions, 'revoke', 'end a session, with its certificates and live connections')
    .argument('<who>', 'a session id, or an account: all its sessions')
    .option('--yes', 'without asking')
    .option('--json', 'for programs')
    .action((who: string, options) =>
      go(async (context) =>
        (await import('../commands/admin-sessions.ts')).adminSessionsRevoke(context, who, options),
      ),
    );
}
