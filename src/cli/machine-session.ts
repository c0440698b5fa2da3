/**
 * The session of a machine: what the credential of the environment was exchanged for. Its file lies apart from a person's,
 * and holds an access token of some minutes but never the credential.
 */
import { ownSession } from '../api/sessions.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { callApi, oauthParts, redactTokens } from './api-client.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { useNoIdentity } from './current-pair.ts';
import { fingerprint, type MachineCredential } from './machine-credential.ts';
import { narrowedHere } from './narrowed-paths.ts';
import { forgetSchedule } from './schedule.ts';
import { parseServerUrl } from './server-url.ts';
import {
  deleteSession,
  type LiveSession,
  readSession,
  readSessionFacts,
  type StoredSession,
  sessionToStore,
  writeSession,
} from './session-file.ts';
import { statePaths } from './state-paths.ts';

/** A token with less than this left may be over when it arrives. */
const marginSeconds = 20;

export interface RecognizedMachine {
  readonly credential: MachineCredential;
  readonly subjectToken: string;
  readonly server: URL;
  readonly mark: string;
  /** What this very credential has got before. */
  readonly session: StoredSession | undefined;
}

/**
 * Whose state this is. What another credential has got is gone after this. The caller holds the state lock.
 * @throws token_missing, settings_invalid, unavailable
 */
export async function recognizeMachine(
  context: SallyContext,
  credential: MachineCredential,
): Promise<RecognizedMachine> {
  const stored = await readSession(context);
  const server = await machineServer(context, stored?.server);
  const subjectToken = await credential.subjectToken(server);
  context.nonce.recall(stored?.dpop_nonce);
  const mark = fingerprint(credential, subjectToken);
  const isSame = stored?.server === server.origin && stored.credential === mark;
  if (!isSame) {
    for (const each of [context.paths, ...(await narrowedHere(context.paths))]) {
      await useNoIdentity(each);
      await forgetSchedule(each);
    }
    await deleteSession(context);
  }
  return { credential, subjectToken, server, mark, session: isSame ? stored : undefined };
}

/**
 * A session with a good access token: the one at hand, or one that is asked for now. The caller holds the state lock.
 * @throws grant_invalid: the server does not take the credential; unavailable, ...
 */
export async function machineSession(
  context: SallyContext,
  recognized: RecognizedMachine,
): Promise<LiveSession> {
  const { credential, subjectToken, server, mark, session } = recognized;
  const { tokens } = session ?? {};
  if (session && tokens && tokens.access_token_expires_at - marginSeconds > nowSeconds(context)) {
    return { ...session, tokens };
  }
  const { newDpopKey } = await import('./oauth/client.ts');
  const { exchange, subjectTokenTypes } = await import('./oauth/exchange.ts');
  const dpop_key = await newDpopKey();
  context.debug.redact(dpop_key.d);
  const fresh = await exchange(oauthParts(context, server), {
    subjectToken,
    subjectTokenType: credential.kind === 'jwt' ? subjectTokenTypes.jwt : subjectTokenTypes.apiToken,
    audience: credential.rule,
    deviceName: context.environment.deviceName,
    key: dpop_key,
  }).catch(async (error) => {
    throw isSallyportError(error) && error.code === 'grant_invalid'
      ? await notTaken(credential, error)
      : error;
  });
  redactTokens(context, fresh);
  const credentials = { server: server.origin, dpop_key, tokens: fresh };
  const own = await callApi(context, credentials, { method: 'GET', path: '/v1/session', reply: ownSession });
  const next = sessionToStore(own, {
    ...credentials,
    mode: 'machine',
    token_endpoint: `${server.origin}/oauth/token`,
    dpop_nonce: context.nonce.latest ?? null,
    credential: mark,
    // Minutes long, and made anew from a credential that the environment holds.
    secrets: 'file',
    key: { kind: 'file' },
  });
  await writeSession(context, next);
  return next;
}

/** SALLY_SERVER, or where the ssh config of this home came from: a credential goes nowhere by default. */
async function machineServer(context: SallyContext, stored: string | undefined): Promise<URL> {
  const { environment, paths } = context;
  const ofPerson = async () =>
    (await readSessionFacts({ ...context, paths: statePaths(paths.home, 'person', paths.profile) }))?.server;
  const server = environment.server ?? stored ?? (await ofPerson());
  if (server !== undefined) return parseServerUrl(server);
  throw new SallyportError(
    'settings_invalid',
    'Which server is not known. Set SALLY_SERVER, such as SALLY_SERVER=https://ssh.example.com',
  );
}

async function notTaken({ source }: MachineCredential, cause: SallyportError): Promise<SallyportError> {
  const { descriptionOf, sentence } = await import('./oauth/errors.ts');
  const why = sentence(descriptionOf(cause) ?? 'it is unknown, over, revoked, used before or not for here');
  return new SallyportError('grant_invalid', `The server does not take what ${source} holds: ${why}`, {
    cause,
  });
}
