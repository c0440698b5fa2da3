/** Opens the signer that a URI names: a table of schemes, the check of what is opened, and the limits around it. */
import { randomBytes } from 'node:crypto';
import { isSallyportError, SallyportError } from '../../errors/sallyport-error.ts';
import type { PublicKeyType } from '../../ssh/key-types.ts';
import { checkPublicKeyBlob } from '../../ssh/public-key.ts';
import type { OpenSigner } from '../signer.ts';
import { openAgentSigner } from './agent-signer.ts';
import { openAwsKmsSigner } from './aws-kms-signer.ts';
import type { BareSigner, OpenScheme } from './bare-signer.ts';
import { openFileSigner } from './file-signer.ts';
import { openGoogleKmsSigner } from './google-kms-signer.ts';
import {
  checkSignature,
  type LimitedSignerOptions,
  limitSigner,
  type SignerLimits,
  signerLimits,
  untilAborted,
} from './limited-signer.ts';
import { openPkcs11Signer } from './pkcs11-signer.ts';
import { signerSetting } from './signer-settings.ts';
import type { SignerSurroundings } from './surroundings.ts';
import { openVaultSigner } from './vault-signer.ts';

interface SchemeRow {
  readonly open: OpenScheme;
  /** A key in this very process can't answer wrongly; checking it twice would cost more than the signature. */
  readonly isInProcess: boolean;
}

const schemes: Readonly<Record<string, SchemeRow>> = {
  file: { open: openFileSigner, isInProcess: true },
  agent: { open: openAgentSigner, isInProcess: false },
  pkcs11: { open: openPkcs11Signer, isInProcess: false },
  awskms: { open: openAwsKmsSigner, isInProcess: false },
  gcpkms: { open: openGoogleKmsSigner, isInProcess: false },
  vault: { open: openVaultSigner, isInProcess: false },
};

/** What a signer's URI may begin with, without the colon. */
export const signerSchemes: readonly string[] = Object.keys(schemes);

/** A module that is loaded, a login at a service, and a trial signature. */
const openingMilliseconds = 20_000;

/**
 * Begins what is signed to try a key out. Neither a certificate nor anything else of SSH begins so: read as the length
 * of an SSH string, its first four bytes are over a gigabyte; and it is not the magic of an SSHSIG.
 */
const trialPrefix = Buffer.from('SALLYPORT-SIGNER-TRIAL\0');

/**
 * Opens a signer by its URI, which is no secret: `<scheme>:<rest>`. Its public key is checked as strictly as any, and
 * one trial signature is verified.
 * @throws settings_invalid (what is wrong with the URI, which setting is missing, or with the key), file_refused,
 *   signer_failed; all with messages for the operator
 */
export async function openSigner(
  uri: string,
  surroundings: SignerSurroundings,
  limits: SignerLimits = limitsFrom(surroundings.environment),
): Promise<OpenSigner> {
  const { row, rest } = schemeOf(uri);
  const options: LimitedSignerOptions = {
    limits,
    now: () => performance.now(),
    verifies: !row.isInProcess,
  };
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), openingMilliseconds);
  try {
    const opening = row.open(rest, surroundings, deadline.signal);
    // What comes too late is not left open.
    opening.then((late) => (deadline.signal.aborted ? late.close() : undefined)).catch(() => {});
    return limitSigner(await tryOut(await untilAborted(opening, deadline.signal), deadline.signal), options);
  } catch (error) {
    throw cannotOpen(uri, error);
  } finally {
    clearTimeout(timer);
  }
}

const longestDeadlineSeconds = 60;

function limitsFrom(environment: NodeJS.ProcessEnv): SignerLimits {
  const name = 'SALLYPORT_SIGNER_DEADLINE_SECONDS';
  const given = signerSetting(environment, name);
  if (given === undefined) return signerLimits;
  const seconds = /^[1-9][0-9]?$/.test(given) ? Number(given) : Number.NaN;
  if (seconds <= longestDeadlineSeconds) return { ...signerLimits, deadlineMilliseconds: seconds * 1000 };
  throw new SallyportError('settings_invalid', `${name} must be 1 to ${longestDeadlineSeconds}.`);
}

function schemeOf(uri: string): { row: SchemeRow; rest: string } {
  const colon = uri.indexOf(':');
  const scheme = uri.slice(0, Math.max(0, colon));
  const row = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined;
  if (row !== undefined) return { row, rest: uri.slice(colon + 1) };
  const known = signerSchemes.map((name) => `${name}:`);
  throw new SallyportError(
    'settings_invalid',
    `There is no signer of this kind. A signer's name begins with one of: ${known.join(' ')}`,
  );
}

/** A signer that gave one right signature. */
async function tryOut(bare: BareSigner, signal: AbortSignal): Promise<BareSigner> {
  try {
    if (checkPublicKeyBlob(bare.publicKey) === unreadableInKrl) throw refusedForKrl();
    const trial = Buffer.concat([trialPrefix, randomBytes(32)]);
    checkSignature(bare, trial, await untilAborted(bare.sign(trial, signal), signal));
    return bare;
  } catch (error) {
    await bare.close();
    throw error;
  }
}

/**
 * OpenSSH before 10.5 does not know it. A revocation list has a section for each CA key, and sshd refuses the whole list
 * over one whose key it can't read (krl.c, parse_revoked_certs), and with it every key of everybody.
 */
const unreadableInKrl: PublicKeyType = 'ssh-mldsa44-ed25519@openssh.com';

function refusedForKrl(): SallyportError {
  return new SallyportError(
    'settings_invalid',
    "An ML-DSA hybrid can be a person's key but not a CA key: sshd before OpenSSH 10.5 would refuse every revocation " +
      'list that names it, and then every login. Take Ed25519, ECDSA or RSA.',
  );
}

/** Names the signer where the message does not; a URI holds no secret. */
function cannotOpen(uri: string, error: unknown): unknown {
  if (!isSallyportError(error)) {
    const { syscall, path, code } = error as NodeJS.ErrnoException;
    if (syscall === undefined) return error;
    return new SallyportError(
      'file_refused',
      `The CA key ${uri} can't be used. ${path} can't be read (${code}).`,
    );
  }
  const { code, message, detail } = error;
  const ownCode = code === 'signer_failed' || code === 'file_refused' ? code : 'settings_invalid';
  return new SallyportError(ownCode, `The CA key ${uri} can't be used. ${message}`, {
    cause: error,
    ...(detail === undefined ? {} : { detail }),
  });
}
