import type { ErrorCode } from '../../../src/errors/codes.ts';
import { listingLine, randomart } from '../../../src/ssh/key-listing.ts';
import {
  checkPublicKeyBlob,
  parsePublicKeyLine,
  publicKeyBlobOf,
  publicKeyLine,
  toKeyObject,
} from '../../../src/ssh/public-key.ts';
import { readPublicKeyFile } from '../../../src/ssh/read-key-file.ts';
import { expectFact, expectSame, type FuzzedParser } from '../examine.ts';

const keyCodes: readonly ErrorCode[] = [
  'key_malformed',
  'key_type_refused',
  'key_weak',
  'key_is_certificate',
  'key_is_private',
];

/** One line of an authorized_keys file. */
export const publicKeyLines: FuzzedParser = {
  codes: keyCodes,
  read(input) {
    const text = input.toString('utf8');
    const key = parsePublicKeyLine(text);
    // Blanks between the words of the line may be several.
    expectSame(
      publicKeyLine(key),
      text
        .replace(/\r?\n$/, '')
        .replace(/ +/g, ' ')
        .trimEnd(),
    );
    return `${key.type}, ${key.comment === '' ? 'no' : 'a'} comment`;
  },
};

/** The blob inside it. */
export const publicKeyBlobs: FuzzedParser = {
  codes: keyCodes,
  read(input) {
    const type = checkPublicKeyBlob(input);
    const key = toKeyObject(input);
    // Of a security key and of the hybrid, node:crypto gets only a part.
    if (!type.includes('@')) expectSame(publicKeyBlobOf(key), input);
    expectFact(listingLine({ blob: input, comment: '' }).endsWith(')'), 'is listed in another form');
    expectFact(/^(.{19}\n){10}.{19}$/.test(randomart(input)), 'is drawn in another form');
    return `${type}, ${key.asymmetricKeyDetails?.modulusLength ?? 0} bits`;
  },
};

/** A file in whatever format people have. */
export const publicKeyFiles: FuzzedParser = {
  codes: keyCodes,
  async read(input) {
    const key = await readPublicKeyFile(input);
    expectSame(checkPublicKeyBlob(key.blob), key.type);
    expectFact(!/\p{C}/u.test(key.comment), 'gives a comment with control characters');
    parsePublicKeyLine(publicKeyLine({ blob: key.blob }));
    return `${key.type}, ${input
      .toString('latin1')
      .slice(0, 22)
      .replace(/[^ -~]/g, '.')}`;
  },
};
