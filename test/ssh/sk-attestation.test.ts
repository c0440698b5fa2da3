import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ed25519PublicKeyBlob } from '../../src/ssh/public-key.ts';
import { authorityFor, parseAttestation, verifyAttestation } from '../../src/ssh/sk-attestation.ts';
import { modelOfCertificate } from '../../src/ssh/sk-model-extension.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { AttestingMaker } from './attesting-maker.ts';
import { refusalOf } from './refusal.ts';
import {
  type AuthenticatorWishes,
  attestationDocument,
  flags,
  type MadeKey,
  SoftwareAuthenticator,
  sampleModel,
} from './software-authenticator.ts';

const challenge = 'c2FtcGxlIGNoYWxsZW5nZSBvZiB0aGUgc2VydmVyIHhYWA';
const application = 'ssh:sallyport';
const now = new Date('2027-01-15T08:00:00Z');

function made(
  wishes: AuthenticatorWishes = {},
  more: { ed25519?: boolean; challenge?: string } = {},
): MadeKey {
  const asked = { ed25519: true, challenge, application, flags: flags.userPresent, ...more };
  const key = new SoftwareAuthenticator(wishes).make(asked);
  if (key === undefined) throw new Error('the authenticator made no key');
  return key;
}

const verified = (key: MadeKey, claim: { challenge?: string; publicKey?: Buffer; document?: Buffer } = {}) =>
  verifyAttestation({ document: attestationDocument(key), challenge, publicKey: key.blob, ...claim });

describe('an attestation says that a key was made in a security key, over our challenge', () => {
  test.each([true, false])('of FIDO2, whose key is Ed25519: %s', (ed25519) => {
    expect(verified(made({}, { ed25519 })).model).toBe(sampleModel);
  });

  test('of a U2F token, which signs another message and has no model', () => {
    const { model } = verified(made({ isU2f: true }, { ed25519: false }));
    expect(model).toBe('00000000-0000-0000-0000-000000000000');
  });
});

function expectRefusal(attempt: () => unknown, words: RegExp): void {
  const { code, message } = refusalOf(attempt);
  expect(code).toBe('attestation_refused');
  expect(message).toMatch(words);
}

describe('refused', () => {
  const refusal = (key: MadeKey, claim: Parameters<typeof verified>[1], words: RegExp) =>
    expectRefusal(() => verified(key, claim), words);

  test('over another challenge', () => {
    refusal(made(), { challenge: `${challenge}x` }, /another challenge/);
  });

  test('of another key', () => {
    refusal(made(), { publicKey: made().blob }, /another key/);
  });

  test('of a key that lies in a file', () => {
    refusal(made(), { publicKey: ed25519PublicKeyBlob(Buffer.from(made().publicKey)) }, /another/);
  });

  test('of another application', () => {
    const key = new SoftwareAuthenticator().make({
      ed25519: true,
      challenge,
      application: 'ssh:other',
      flags: 1,
    }) as MadeKey;
    const other = made();
    refusal({ ...other, authenticatorData: key.authenticatorData }, {}, /application/);
  });

  test.each(['signature', 'authenticatorData', 'certificate'] as const)('with another %s', (part) => {
    const key = made();
    expectRefusal(() => verified({ ...key, [part]: made()[part] }, {}), /./);
  });

  test('without a certificate: a key that vouches for itself', () => {
    refusal({ ...made(), certificate: Buffer.alloc(0) }, {}, /only for itself/);
  });

  test("signed with an authority's own certificate", () => {
    const maker = new AttestingMaker();
    refusal(made({ maker, certificate: maker.authority }), {}, /authority/);
  });

  test('with a certificate of another model', () => {
    const maker = new AttestingMaker();
    const certificate = maker.modelCertificate('11111111-2222-3333-4444-555555555555');
    refusal(made({ maker, certificate }), {}, /another model/);
  });

  test("with one of the maker's certificates that is for something else; tokens of U2F have no others", () => {
    const maker = new AttestingMaker();
    const certificate = maker.modelCertificate(sampleModel, { unit: 'PIV Attestation' });
    refusal(made({ maker, certificate }), {}, /for something else/);
    const name = 'Model\nOU=Authenticator Attestation';
    const inName = maker.modelCertificate(sampleModel, { unit: 'PIV Attestation', name });
    refusal(made({ maker, certificate: inName }), {}, /for something else/);
    const token = maker.modelCertificate('00000000-0000-0000-0000-000000000000', { unit: 'x' });
    expect(() =>
      verified(made({ maker, certificate: token, isU2f: true }, { ed25519: false })),
    ).not.toThrow();
  });

  test('with bytes left over, cut short, or of an older form', () => {
    const document = attestationDocument(made());
    const old = new WireWriter().string('ssh-sk-attest-v00').bytes();
    for (const bytes of [Buffer.concat([document, Buffer.of(0)]), document.subarray(0, -1), old]) {
      expectRefusal(() => parseAttestation(bytes), /./);
    }
  });
});

describe('an authority vouches for a certificate', () => {
  const maker = new AttestingMaker();
  const { certificate } = verified(made({ maker }));
  const { pem } = maker.authority;

  test('that it has issued', () => {
    expect(authorityFor(certificate, [new AttestingMaker().authority.pem, pem], now)).toBe(pem);
  });

  test('but none of the same name', () => {
    expect(authorityFor(certificate, [new AttestingMaker().authority.pem], now)).toBeUndefined();
  });

  test('but no certificate that is none of an authority', () => {
    const none = new AttestingMaker('Test Keys', { isAuthority: false }).authority.pem;
    expect(authorityFor(certificate, [none], now)).toBeUndefined();
  });

  test('as long as both are good', () => {
    expect(authorityFor(certificate, [pem], new Date('2050-01-01T00:00:00Z'))).toBeUndefined();
    const old = new AttestingMaker('Old', { to: new Date('2021-01-01T00:00:00Z') });
    expect(
      authorityFor(verified(made({ maker: old })).certificate, [old.authority.pem], now),
    ).toBeUndefined();
  });
});

test('the model is read from its certificate; one without names none', () => {
  const maker = new AttestingMaker();
  expect(modelOfCertificate(maker.modelCertificate(sampleModel).der)).toBe(sampleModel);
  expect(modelOfCertificate(new X509Certificate(maker.authority.pem).raw)).toBeUndefined();
});
