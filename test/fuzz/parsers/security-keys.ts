import { armor } from '../../../src/ssh/pem.ts';
import { fingerprint } from '../../../src/ssh/public-key.ts';
import { parseAttestation, verifyAttestation } from '../../../src/ssh/sk-attestation.ts';
import { parseAuthenticatorData, securityKeyBlob } from '../../../src/ssh/sk-authenticator-data.ts';
import { modelOfCertificate } from '../../../src/ssh/sk-model-extension.ts';
import { readSecurityKeyFile } from '../../../src/ssh/sk-private-key.ts';
import { expectFact, expectSame, type FuzzedParser } from '../examine.ts';

/** What the attestations of the corpus are over. */
export const attestedApplication = 'ssh:sallyport';
export const attestedChallenge = 'c2FtcGxlIGNoYWxsZW5nZSBvZiB0aGUgc2VydmVyIHhYWA';

export const attestations: FuzzedParser = {
  codes: ['attestation_refused', 'key_malformed', 'key_weak'],
  read(input) {
    const parsed = parseAttestation(input);
    const data = parseAuthenticatorData(parsed.authenticatorData);
    const publicKey = securityKeyBlob(data, attestedApplication);
    const isVerified = verifies(input, publicKey);
    modelOfCertificate(parsed.certificate);
    return `${data.type}, ${isVerified ? 'verified' : 'of something else'}`;
  },
};

function verifies(document: Buffer, publicKey: Buffer): boolean {
  try {
    const { model } = verifyAttestation({ document, challenge: attestedChallenge, publicKey });
    expectFact(/^[0-9a-f-]{36}$/.test(model), 'names a model that is none');
    return true;
  } catch {
    return false;
  }
}

export const authenticatorData: FuzzedParser = {
  codes: ['attestation_refused'],
  read(input) {
    const { type, credentialId, userPresent } = parseAuthenticatorData(input);
    return `${type}, ${credentialId.length > 0}, ${userPresent}`;
  },
};

/** The bytes inside the armor of a private key file. */
export const securityKeyFiles: FuzzedParser = {
  codes: ['key_malformed', 'key_type_refused', 'key_weak', 'key_is_certificate'],
  read(input) {
    const text = armor('OPENSSH PRIVATE KEY', input);
    const found = readSecurityKeyFile(text);
    if (found === undefined) return 'of another kind';
    expectFact(input.includes(found.publicKey), 'names a key that is not in it');
    expectSame(fingerprint(found.publicKey).slice(0, 7), 'SHA256:');
    return `${found.asksVerification}`;
  },
};
