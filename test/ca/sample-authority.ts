/** A certificate authority on a fresh database, with people to certify and a clock that stands still. */
import { randomUUID } from 'node:crypto';
import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import { type CertificateRequest, type Possession, possessionMessage } from '../../src/api/certificates.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import type { Purpose } from '../../src/ca/issuing.ts';
import type { KeyFiles } from '../../src/ca/key-files.ts';
import type { OpenSigner, Signer } from '../../src/ca/signer.ts';
import type { DatabaseHandle } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import type { ErrorCode } from '../../src/errors/codes.ts';
import { isSallyportError, SallyportError } from '../../src/errors/sallyport-error.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { type NewSession, startSession } from '../../src/sessions/start-session.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';

export const domain = 'ca.example.com';
export const issuer = 'https://login.example.com';
export const startTime = new Date('2027-01-15T08:00:00.500Z');
export const startSeconds = Math.floor(startTime.getTime() / 1000);

export function memorySigner(key: GeneratedKey = generateEd25519()): Signer {
  return {
    publicKey: key.publicKeyBlob,
    algorithm: 'ssh-ed25519',
    sign: async (bytes) => signWithKey(key.privateKey, bytes),
  };
}

const hopSigner = memorySigner();
/** Keys of later generations, by their URI: every authority of a test file can open them. */
const madeLater = new Map<string, { key: GeneratedKey; signer: Signer }>();

/** The private key of a later generation, for whoever steals it. */
export function stolenKey(uri: string): GeneratedKey {
  const made = madeLater.get(uri);
  if (made === undefined) throw new Error(`there is no ${uri}`);
  return made.key;
}

/** What a certificate authority signs with, held in memory and named `memory:user` and so on. */
export function heldInMemory(signers: { user: Signer; host: Signer; hop?: Signer }) {
  const known = new Map<string, Signer>(
    Object.entries({ hop: hopSigner, ...signers }).map(([name, signer]) => [`memory:${name}`, signer]),
  );
  return {
    firstSigners: { user: 'memory:user', host: 'memory:host', hop: 'memory:hop' },
    openSigner: async (uri: string): Promise<OpenSigner> => {
      const signer = known.get(uri) ?? madeLater.get(uri)?.signer;
      if (signer === undefined) throw new SallyportError('settings_invalid', `There is no ${uri}.`);
      return { ...signer, close: async () => {} };
    },
    createKey: async (purpose: Purpose, generation: number): Promise<string> => {
      const uri = `memory:${purpose}-${generation}-${randomUUID()}`;
      const key = generateEd25519();
      madeLater.set(uri, { key, signer: memorySigner(key) });
      return uri;
    },
  };
}

export interface Person {
  readonly accountId: string;
  readonly sessionId: string;
}

export interface SampleAuthority {
  readonly authority: CertificateAuthority;
  readonly database: DatabaseHandle;
  readonly clock: { now: Date };
  readonly userKey: GeneratedKey;
  readonly hostSigner: Signer;
  /** For changing CA keys. */
  readonly held: KeyFiles;
  readonly organizationId: string;
  /** A new account `<name>@example.com` with a login session. */
  person(name: string, session?: Partial<NewSession>): Promise<Person>;
  /** Another login of the account. */
  login(accountId: string, session?: Partial<NewSession>): Promise<Person>;
}

export async function sampleAuthority(
  database: DatabaseHandle,
  organization: { mfaMaxAgeSeconds?: number } = {},
  existing?: CertificateAuthority,
  now = startTime,
): Promise<SampleAuthority> {
  const clock = { now };
  const userKey = generateEd25519();
  const hostSigner = memorySigner();
  const organizationId = await inTransaction(database.db, (tx) =>
    createOrganization(tx, { slug: 'example', name: 'Example', domains: ['example.com'], ...organization }),
  );
  const held = heldInMemory({ user: memorySigner(userKey), host: hostSigner });
  const authority =
    existing ??
    (await createCertificateAuthority({
      database,
      ...held,
      domain,
      clock: () => clock.now,
    }));

  async function login(accountId: string, session: Partial<NewSession> = {}): Promise<Person> {
    const sessionId = await inTransaction(database.db, (tx) =>
      startSession(
        tx,
        {
          accountId,
          kind: 'helper',
          issuer,
          amr: ['pwd', 'otp'],
          acr: null,
          authTime: new Date(clock.now.getTime() - 60_000),
          mfa: true,
          expiresAt: new Date(clock.now.getTime() + 12 * 3_600_000),
          clientAddress: null,
          clientName: null,
          ...session,
        },
        clock.now,
      ),
    );
    return { accountId, sessionId };
  }

  async function person(name: string, session: Partial<NewSession> = {}): Promise<Person> {
    const identity = {
      issuer,
      subject: name,
      accountName: `${name}@example.com`,
      displayName: name,
      groups: [],
      organizationSlug: 'example',
    };
    const { accountId } = await inTransaction(database.db, (tx) =>
      accountForIdentity(tx, identity, clock.now),
    );
    return await login(accountId, session);
  }

  return { authority, database, clock, userKey, hostSigner, held, organizationId, person, login };
}

/** What `sally` sends: a key, and its proof over a fresh challenge. */
export async function requestFor(
  { createChallenge }: Pick<CertificateAuthority, 'createChallenge'>,
  sessionId: string,
  key: GeneratedKey = generateEd25519(),
): Promise<CertificateRequest & { readonly possession: Possession }> {
  const { challenge, namespace } = await createChallenge(sessionId);
  return {
    public_key: lineOf(key),
    request_id: randomUUID(),
    possession: await provePossession(key, { sessionId, challenge, namespace }),
  };
}

export async function provePossession(
  key: GeneratedKey,
  proof: { sessionId: string; challenge: string; namespace: string },
): Promise<Possession> {
  const { sessionId, challenge, namespace } = proof;
  const signature = await signSshsig({
    message: possessionMessage(sessionId, challenge),
    namespace,
    publicKeyBlob: key.publicKeyBlob,
    sign: (bytes) => signWithKey(key.privateKey, bytes),
  });
  return { challenge, signature };
}

export function lineOf(key: GeneratedKey): string {
  return publicKeyLine({ type: 'ssh-ed25519', blob: key.publicKeyBlob, comment: 'sample' });
}

/** The code of the error with which something was refused. Success, and any other error, fail the test. */
export async function refusalCode(attempt: Promise<unknown>): Promise<ErrorCode> {
  const failure = await attempt.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (isSallyportError(failure)) return failure.code;
  throw failure ?? new Error('nothing was refused');
}

/** How many user certificates a session has. */
export async function certificatesOf({ db }: DatabaseHandle, sessionId: string): Promise<number> {
  const rows = await db
    .selectFrom('certificates')
    .select('serial')
    .where('session_id', '=', sessionId)
    .execute();
  return rows.length;
}
