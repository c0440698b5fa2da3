import { nowSeconds, type SallyContext } from '../context.ts';
import { type ExitName, exitNameOf } from '../exit-codes.ts';
import { type LoginOutcome, logIn } from '../log-in.ts';
import { demoServer, parseServerUrl } from '../server-url.ts';
import { readSession } from '../session-file.ts';
import { readsOurConfig, sshCommand } from '../ssh-command.ts';
import { hostSuffix, includeLine } from '../ssh-config-text.ts';
import { momentText, spanText } from '../times.ts';

export interface LoginCommandOptions {
  readonly server?: string;
  readonly browser: boolean;
}

export async function login(context: SallyContext, options: LoginCommandOptions): Promise<ExitName> {
  const stored = options.server ?? context.environment.server ?? (await storedServer(context));
  const server = parseServerUrl(stored ?? demoServer);
  const outcome = await logIn(context, { server, browser: options.browser });
  report(context, outcome);
  return outcome.refusal ? exitNameOf(outcome.refusal.code) : 'done';
}

async function storedServer({ paths, debug }: SallyContext): Promise<string | undefined> {
  // A file that is not as it must be is replaced by this login.
  const session = await readSession(paths, debug).catch(() => undefined);
  return session?.server;
}

function report(context: SallyContext, outcome: LoginOutcome): void {
  const { terminal, paths, environment } = context;
  const { session, pair, refusal, firstTarget } = outcome;
  const now = context.now();
  const life = spanText(session.expires_at - nowSeconds(context));

  terminal.print(
    `${terminal.good('Logged in')} as ${terminal.bold(session.account)} until ${momentText(session.expires_at, now)} (${life}), ${factorText(session)}.`,
  );
  if (pair) {
    terminal.print(
      `Your certificate is valid until ${momentText(pair.validBefore, now)}; ssh renews it by itself.`,
    );
  }
  if (refusal) terminal.tell(`sally: no certificate: ${refusal.message}`);
  terminal.print();

  if (outcome.config === 'added') {
    terminal.print(`Added one line at the top of ${paths.userConfig}:`);
    terminal.print(`    ${includeLine(paths)}`);
    terminal.print(`It concerns *.${hostSuffix} only. To undo it: sally ssh-config uninstall`);
    terminal.print();
  }
  if (!pair) return;
  if (firstTarget === undefined) {
    terminal.print('There is no target yet that you may reach. Who you are there: sally whoami');
    return;
  }
  const host = `${firstTarget}.${hostSuffix}`;
  if (!readsOurConfig(context)) {
    terminal.print(`Your HOME is ${paths.home}, but ssh reads the config below ${environment.passwdHome}.`);
  }
  terminal.print(`Next: ${terminal.bold(sshCommand(context, host))}`);
  if (!session.mfa) {
    terminal.print(`Without a second factor it may refuse you; to ask: sally explain ${firstTarget}`);
  }
}

function factorText({ mfa, amr }: LoginOutcome['session']): string {
  if (!mfa) return 'without a second factor';
  return amr.length > 0 ? `with a second factor (${amr.map(wordOnly).join(', ')})` : 'with a second factor';
}

/** Method names are registered words (RFC 8176); nothing else of them is shown. */
function wordOnly(method: string): string {
  return method.replace(/[^A-Za-z0-9_.-]/g, '?');
}
