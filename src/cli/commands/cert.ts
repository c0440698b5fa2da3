import { SallyportError } from '../../errors/sallyport-error.ts';
import { certificateDocument } from '../certificate-document.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import { currentPair } from '../current-pair.ts';
import { type CertificateOutcome, type EnsureOptions, ensureCertificate } from '../ensure-certificate.ts';
import { type ExitName, exitNameOf } from '../exit-codes.ts';
import { keyInUse, keyText } from '../hardware/key-in-use.ts';
import { narrowedPaths } from '../narrowed-paths.ts';
import { printable } from '../printable.ts';
import { readSessionFacts, sessionOver } from '../session-file.ts';
import { includeLine } from '../ssh-config-text.ts';
import { afterStepUp } from '../step-up.ts';
import { factLines, terminalColumns } from '../terminal.ts';
import { fromNow, momentText } from '../times.ts';

export async function certShow(
  context: SallyContext,
  options: { readonly json?: boolean },
): Promise<ExitName> {
  const { terminal, paths } = context;
  const pair = await currentPair(paths);
  if (!pair) {
    const next = context.machine ? 'sally cert ensure' : 'sally login';
    throw new SallyportError('not_found', `There is no certificate. Run: ${next}`);
  }
  const session = await readSessionFacts(context);
  const key = session && (await keyInUse(session, pair));
  if (options.json) {
    terminal.print(JSON.stringify({ ...certificateDocument(pair), key: key ?? null }, null, 2));
    return 'done';
  }
  const now = context.now();
  const expired = pair.validBefore <= nowSeconds(context);
  const end = `${momentText(pair.validBefore, now)} (${fromNow(pair.validBefore, now)})`;
  const facts = factLines(
    [
      ['File', pair.certificatePath],
      ['Key ID', printable(pair.keyId)],
      ['Serial', pair.serial],
      ['Principals', pair.principals.map(printable).join(', ')],
      ['Valid from', momentText(pair.validAfter, now)],
      [expired ? 'Expired' : 'Valid until', end],
      ...(key ? [['Key', keyText(key)] as const] : []),
    ],
    terminalColumns(context.environment),
  );
  for (const line of facts) terminal.print(line);
  terminal.say(terminal.dim('Everything in it: sally inspect'));
  return 'done';
}

/** With --quiet for ssh: no word, and done even where nothing could be done. */
export async function certEnsure(
  context: SallyContext,
  { quiet = false, ...options }: EnsureOptions,
): Promise<ExitName> {
  if (!quiet) return await ensuredAloud(context, options);
  try {
    const { kind } = await ensureCertificate(
      { ...context, patienceMilliseconds: 5000 },
      { ...options, quiet },
    );
    context.debug.say(`cert ensure: ${kind}`);
  } catch (error) {
    context.debug.say(`cert ensure: ${error}`);
  }
  return 'done';
}

/** With a person at hand who may log in again where the server wants a stronger login. */
async function ensuredAloud(context: SallyContext, options: EnsureOptions): Promise<ExitName> {
  const outcome = await afterStepUp(context, async () => {
    const found = await ensureCertificate(context, options);
    const wantsStepUp = found.kind === 'refused' && found.error.code === 'insufficient_user_authentication';
    if (wantsStepUp && (options.force || !found.pair)) throw found.error;
    return found;
  });
  const exit = report(context, outcome);
  if (exit === 'done' && options.environment) {
    const { identity } = narrowedPaths(context.paths, options.environment);
    context.terminal.print(
      `Below the Host line of your ssh config it is used by: ${includeLine({ config: identity })}`,
    );
  }
  return exit;
}

function report(context: SallyContext, outcome: CertificateOutcome): ExitName {
  const { terminal } = context;
  const { pair } = outcome;
  const now = context.now();
  const until = pair && `${momentText(pair.validBefore, now)} (${fromNow(pair.validBefore, now)})`;
  switch (outcome.kind) {
    case 'renewed':
      terminal.print(`The certificate was renewed and is valid until ${until}.`);
      return 'done';
    case 'current':
      terminal.print(`The certificate is good until ${until}; nothing was due.`);
      return 'done';
    case 'logged-out':
      throw new SallyportError('token_missing', 'Nobody is logged in here. Run: sally login');
    case 'over':
      throw sessionOver();
    default:
      terminal.tell(`sally: ${outcome.error.message}`);
      if (pair) terminal.tell(`sally: the certificate at hand stays; it is valid until ${until}.`);
      return exitNameOf(outcome.error.code);
  }
}
