/**
 * A stronger login in the middle of a command (RFC 9470): the server has refused with what it wants, the person logs in so,
 * and the same request is made once more.
 */
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import type { SallyContext } from './context.ts';
import { printable } from './printable.ts';
import { readSession } from './session-file.ts';

/** @throws what the work throws, also the refusal itself where nobody is there to log in, or after a login that changed nothing */
export async function afterStepUp<Result>(
  context: SallyContext,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!isSallyportError(error) || error.code !== 'insufficient_user_authentication') throw error;
    if (context.machine) throw noPerson(error);
    if (!context.mayStepUp) throw withCommand(error);
    await stepUp(context, error);
    return await work();
  }
}

/** @param refusal what the server wants @throws what the login throws; forbidden: it was somebody else */
export async function stepUp(context: SallyContext, refusal: SallyportError): Promise<void> {
  const session = await readSession(context);
  if (!session) throw refusal;
  const { terminal } = context;
  terminal.tell(`sally: ${withoutCommand(refusal)}`);
  terminal.tell('sally: logging in again; after that it goes on by itself.');
  const { logIn } = await import('./log-in.ts');
  const { maxAgeSeconds, acrValues } = wanted(refusal);
  const outcome = await logIn(context, {
    server: new URL(session.server),
    way: context.environment.headless ? 'address' : 'browser',
    provider: session.provider ?? undefined,
    maxAgeSeconds,
    acrValues,
  });
  if (outcome.session.account === session.account) return;
  throw new SallyportError(
    'forbidden',
    `The login was one of ${outcome.session.account}, not of ${session.account} who had started this. Nothing else was done.`,
  );
}

/** The command that does the same by hand. */
function stepUpCommand(refusal: SallyportError): string {
  const { maxAgeSeconds, acrValues } = wanted(refusal);
  const age = maxAgeSeconds === undefined ? '' : ` --max-age ${maxAgeSeconds}`;
  return `sally login${acrValues === undefined ? '' : ' --mfa'}${age}`;
}

function wanted({ members }: SallyportError): {
  maxAgeSeconds: number | undefined;
  acrValues: string | undefined;
} {
  const { acr_values, max_age } = members;
  return {
    maxAgeSeconds: typeof max_age === 'number' ? max_age : undefined,
    // The one value that this sally knows; a login that asks for others would only fail in the browser.
    acrValues: typeof acr_values === 'string' && acr_values.split(' ').includes('mfa') ? 'mfa' : undefined,
  };
}

/** The refusal with the command that helps. */
export function withCommand(refusal: SallyportError): SallyportError {
  const { code, members } = refusal;
  const message = `${withoutCommand(refusal)} Run: ${stepUpCommand(refusal)}`;
  return new SallyportError(code, message, { cause: refusal, members });
}

/** What the server says, but for the command that it proposes: which one helps is known better here. */
function withoutCommand({ message }: SallyportError): string {
  return printable(message).replace(/\s*Run: .*$/, '');
}

function noPerson(refusal: SallyportError): SallyportError {
  return new SallyportError(
    'access_denied',
    `${withoutCommand(refusal)} A machine has no second factor: let a person do it.`,
    { cause: refusal },
  );
}
