import { describe, expect, test } from 'vitest';
import { parsePkcs11Uri } from '../../../src/ca/signers/pkcs11-uri.ts';
import { refusalOf } from '../../ssh/refusal.ts';

const fingerprint = `SHA256:${'Ab+/'.repeat(10)}abc`;

describe('a PKCS #11 URI', () => {
  test.each([
    ['object=user_ca', { label: 'user_ca', fingerprint: undefined }],
    ['type=private;object=user%20ca%3b', { label: 'user ca;', fingerprint: undefined }],
    [`?x-fingerprint=${fingerprint}`, { label: undefined, fingerprint }],
    [`object=a?x-fingerprint=${fingerprint}`, { label: 'a', fingerprint }],
  ])('%s names a key', (rest, wanted) => {
    expect(parsePkcs11Uri(rest)).toEqual(wanted);
  });

  test.each([
    ['', 'does not say which key'],
    ['type=private', 'does not say which key'],
    ['object=', 'no value'],
    ['object', 'no value'],
    ['object=a=b', 'no value'],
    ['object=a;object=b', 'twice'],
    ['object=%zz', 'percent'],
    ['object=a;type=public', 'private key'],
    ['object=a;;', 'no value'],
    ['token=sallyport;object=a', '"token", which can\'t be compared'],
    ['object=a;id=%01', '"id", which can\'t be compared'],
    ['object=a?pin-value=1234', 'SALLYPORT_PKCS11_PIN_FILE'],
    ['object=a?pin-source=/etc/passwd', 'SALLYPORT_PKCS11_PIN_FILE'],
    ['object=a?module-path=/tmp/evil.so', 'SALLYPORT_PKCS11_MODULE'],
    ['object=a?module-name=evil', 'SALLYPORT_PKCS11_MODULE'],
    ['?x-fingerprint=MD5:aa', 'no SHA256 fingerprint'],
    ['object=a?x-fingerprint=a?b', 'more than one'],
  ])('%j is refused with the reason', (rest, problem) => {
    const refusal = refusalOf(() => parsePkcs11Uri(rest));
    expect(refusal.code).toBe('settings_invalid');
    expect(refusal.message).toContain(problem);
  });

  test('with a PIN in it is not repeated', () => {
    expect(refusalOf(() => parsePkcs11Uri('object=a?pin-value=1234')).message).not.toContain('1234');
  });
});
