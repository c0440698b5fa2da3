import { createHash } from 'node:crypto';
import { readIdentities, readSignature, readSuccess } from '../../../src/ca/signers/agent-protocol.ts';
import { decryptKey } from '../../../src/ca/signers/encrypted-key.ts';
import { blobOfSpki } from '../../../src/ca/signers/key-algorithms.ts';
import { parsePkcs11Uri } from '../../../src/ca/signers/pkcs11-uri.ts';
import { armor } from '../../../src/ssh/pem.ts';
import { checkPublicKeyBlob } from '../../../src/ssh/public-key.ts';
import { expectFact, expectSame, type FuzzedParser } from '../examine.ts';

/** Whatever an agent answers, to whatever it was asked. */
export const agentReplies: FuzzedParser = {
  codes: ['signer_failed'],
  read(input) {
    const kind = input[0] ?? 0;
    if (kind === 12) return `${Math.min(readIdentities(input).length, 3)} keys`;
    if (kind !== 14) {
      readSuccess(input);
      return 'success';
    }
    expectFact(readSignature(input).length === input.length - 5, 'leaves bytes over');
    return 'signature';
  },
};

export const caKeyPassphrase = Buffer.from('only for this corpus');

/** What stands in the armor before its digest, which is made to fit. */
export const encryptedCaKeys: FuzzedParser = {
  codes: ['settings_invalid'],
  async read(input) {
    const body = cheap(input);
    const digest = createHash('sha256').update(body).digest();
    const file = armor('SALLYPORT ENCRYPTED CA KEY', Buffer.concat([body, digest]));
    const key = await decryptKey(Buffer.from(file), caKeyPassphrase, 'ca.pem');
    return `${key.asymmetricKeyType}`;
  },
};

/** scrypt is slow on purpose; a file that asks for a lot of it, within the bounds, would only be that. */
function cheap(input: Buffer): Buffer {
  const logNOffset = 'sallyport-ca-key\0'.length + 4 + 4 + 'scrypt'.length;
  if (input.length < logNOffset + 4) return input;
  const logN = input.readUInt32BE(logNOffset);
  const copy = Buffer.from(input);
  if (logN > 4 && logN < 25) copy.writeUInt32BE(4, logNOffset);
  return copy;
}

/** It is no secret, and names an attribute that is wrong. */
export const pkcs11Uris: FuzzedParser = {
  codes: ['settings_invalid'],
  longestQuote: 40,
  read(input) {
    const { label, fingerprint } = parsePkcs11Uri(input.toString('utf8'));
    return `${label === undefined ? 'no' : 'a'} label, ${fingerprint === undefined ? 'no' : 'a'} fingerprint`;
  },
};

/** Public keys as key services give them, in DER. */
export const servicesKeys: FuzzedParser = {
  codes: ['settings_invalid', 'key_malformed', 'key_weak', 'key_type_refused'],
  read(input) {
    const blob = blobOfSpki(input, 'A service');
    const type = checkPublicKeyBlob(blob);
    expectSame(blobOfSpki(pem(input), 'A service'), blob);
    return type;
  },
};

function pem(der: Buffer): string {
  return `-----BEGIN PUBLIC KEY-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END PUBLIC KEY-----\n`;
}
