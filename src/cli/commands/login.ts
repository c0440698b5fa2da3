import { explainReply } from '../../api/explain.ts';
import { isSallyportError, SallyportError } from '../../errors/sallyport-error.ts';
import { isSlug } from '../../ssh/names.ts';
import { callApi } from '../api-client.ts';
import { chooseAgent, tellAdded } from '../choose-agent.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import { type ExitName, exitNameOf } from '../exit-codes.ts';
import { type KeyOptions, keyWish } from '../hardware/key-wish.ts';
import { chooseSecrets } from '../keychain/move-secrets.ts';
import { type LoginOutcome, logIn } from '../log-in.ts';
import { printable } from '../printable.ts';
import { isActive } from '../profiles/active-profile.ts';
import { readProfileSettings } from '../profiles/profile-settings.ts';
import { secondFactorText } from '../second-factor-text.ts';
import { demoServer, parseServerUrl } from '../server-url.ts';
import { readSessionFacts } from '../session-file.ts';
import { readsOurConfig, sshCommand } from '../ssh-command.ts';
import { hostSuffix, includeLine } from '../ssh-config-text.ts';
import { withCommand } from '../step-up.ts';
import { terminalColumns, wrappedLines } from '../terminal.ts';
import { momentText, spanText } from '../times.ts';
import { withCaFile } from '../tls/with-ca-file.ts';

export interface LoginCommandOptions extends KeyOptions {
  readonly server?: string;
  readonly browser: boolean;
  readonly device?: boolean;
  readonly provider?: string;
  readonly mfa?: boolean;
  readonly maxAge?: number;
  /** Where the secrets of this login and of later ones are; undefined: as it was. */
  readonly keychain?: boolean;
  /** PEM file with the only authorities to believe, from now on; false: the machine's; undefined: as it was. */
  readonly caFile?: string | false;
  /** The person's ssh-agent gets the keys, from now on; undefined: as it was. */
  readonly addToAgent?: boolean;
}

export async function login(context: SallyContext, options: LoginCommandOptions): Promise<ExitName> {
  const { machine, environment } = context;
  if (machine) {
    throw new SallyportError(
      'settings_invalid',
      `${machine.source} is set: here sally is a machine, which does not log in. To log in yourself: unset ${machine.source}`,
    );
  }
  if (options.provider !== undefined && !isSlug(options.provider)) {
    throw new SallyportError('settings_invalid', 'A provider is named by its slug, such as --provider okta.');
  }
  const key = keyWish(options);
  const stored = options.server ?? environment.server ?? (await storedServer(context));
  await chooseAgent(context, options.addToAgent);
  await chooseSecrets(context, options.keychain);
  const server = parseServerUrl(stored ?? demoServer);
  const outcome = await withCaFile(context, options.caFile, (believing) =>
    logIn(believing, {
      server,
      way: wayOf(context, options),
      provider: options.provider,
      maxAgeSeconds: options.maxAge,
      acrValues: options.mfa ? 'mfa' : undefined,
      key,
    }),
  );
  await report(context, outcome);
  await tellAdded(context, outcome.pair, options.addToAgent);
  return outcome.refusal ? exitNameOf(outcome.refusal.code) : 'done';
}

/** Where no browser can open and nobody is at a terminal to paste an address back, a code is what is left. */
function wayOf({ environment, ask }: SallyContext, { device, browser }: LoginCommandOptions) {
  if (device) return 'device';
  if (!browser) return 'address';
  if (!environment.headless) return 'browser';
  return ask ? 'address' : 'either';
}

async function storedServer(context: SallyContext): Promise<string | undefined> {
  // A file that is not as it must be is replaced by this login.
  const session = await readSessionFacts(context).catch(() => undefined);
  return session?.server ?? (await readProfileSettings(context.paths)).server ?? undefined;
}

async function report(context: SallyContext, outcome: LoginOutcome): Promise<void> {
  const { terminal, paths } = context;
  const { session, pair, refusal, renewed } = outcome;
  const now = context.now();
  const life = spanText(session.expires_at - nowSeconds(context));
  const provider = session.provider === null ? '' : ` (provider ${printable(session.provider)})`;

  const columns = terminalColumns(context.environment);
  const said = `${terminal.good('Logged in')} as ${terminal.bold(session.account)}${provider} until ${momentText(session.expires_at, now)} (${life}), ${secondFactorText(session, now)}.`;
  for (const line of wrappedLines(said, columns)) terminal.print(line);
  if (renewed) terminal.print('It is the session of before; its connections stay.');
  if (pair) {
    terminal.say(
      `Your certificate is valid until ${momentText(pair.validBefore, now)}; ssh renews it by itself.`,
    );
  }
  if (refusal) {
    const { message } = refusal.code === 'insufficient_user_authentication' ? withCommand(refusal) : refusal;
    terminal.tell(`sally: no certificate: ${message}`);
  }
  terminal.print();

  if (outcome.config === 'added') {
    terminal.print(`Added one line at the top of ${paths.userConfig}:`);
    terminal.print(`    ${includeLine(paths)}`);
    terminal.print(`It concerns *.${hostSuffix} only. To undo it: sally ssh-config uninstall`);
    terminal.print();
  }
  if (outcome.config === 'left') {
    terminal.print(`${paths.userConfig} stays as it is. To have plain ssh work: sally ssh-config install`);
  }
  if (!isActive(paths)) {
    terminal.print(`ssh goes by another profile. To change that: sally profile use ${paths.profile}`);
  }
  if (pair) await tellNext(context, outcome);
}

/** How many targets are asked about before it is left at the first refusal. */
const asked = 5;

/** The ssh command of a target that lets the person in, or why the first one does not. */
async function tellNext(context: SallyContext, { session, targets }: LoginOutcome): Promise<void> {
  const { terminal, paths, environment, debug } = context;
  const [first] = targets;
  if (first === undefined) {
    terminal.say('There is no target yet that you may reach. Who you are there: sally whoami');
    return;
  }
  let why: string | undefined;
  for (const target of targets.slice(0, asked)) {
    const path = `/v1/explain?${new URLSearchParams({ target })}`;
    const found = await callApi(context, session, { method: 'GET', path, reply: explainReply }).catch(
      (error) => {
        if (!isSallyportError(error)) throw error;
        debug.say(`explain ${target}: ${error.message}`);
        return undefined;
      },
    );
    if (found === undefined || found.allowed) {
      if (!readsOurConfig(context)) {
        terminal.say(`Your HOME is ${paths.home}, but ssh reads the config below ${environment.passwdHome}.`);
      }
      terminal.print(`Next: ${terminal.bold(sshCommand(context, `${target}.${hostSuffix}`))}`);
      return;
    }
    why ??= found.reasons[0]?.message;
  }
  terminal.print(
    `${printable(first)} would not let you in${why === undefined ? '.' : `: ${printable(why)}`}`,
  );
  terminal.say(`Next: ${terminal.bold(`sally explain ${first}`)}`);
}
