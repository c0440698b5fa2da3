/** Parsers that do what none may do, once a certain byte comes; so the fuzzer can show that it notices. */
import { SallyportError } from '../../src/errors/sallyport-error.ts';
import { expectSame, type FuzzedParser } from './examine.ts';

function unless(isBad: (input: Buffer) => boolean, misbehave: (input: Buffer) => string): FuzzedParser {
  return { codes: ['key_malformed'], read: (input) => (isBad(input) ? misbehave(input) : 'good') };
}

const isBad = (input: Buffer) => input[0] === 0x62;

export const parsers: Readonly<Record<string, FuzzedParser>> = {
  'throws something else': unless(isBad, () => {
    throw new TypeError('undefined is not a function');
  }),
  'throws a code that is not its own': unless(isBad, () => {
    throw new SallyportError('krl_malformed', 'The revocation list is malformed.');
  }),
  'writes something else back': unless(isBad, (input) => {
    expectSame('b', Buffer.concat([input, input]));
    return 'read';
  }),
  'repeats a key': unless(isBad, () => {
    throw new SallyportError('key_malformed', `The key ${'A'.repeat(40)} is malformed.`);
  }),
  'says what can not be printed': unless(isBad, () => {
    throw new SallyportError('key_malformed', 'The key \u202e is malformed.');
  }),
  'changes its input': unless(isBad, (input) => {
    input[0] = 0;
    return 'read';
  }),
  'never ends': unless(isBad, () => {
    for (;;);
  }),
  'takes all memory': unless(isBad, () => {
    const all: Buffer[] = [];
    for (;;) all.push(Buffer.alloc(16 * 1024 * 1024, 1));
  }),
  'fails behind its back': unless(isBad, () => {
    void Promise.reject(new Error('nobody waits for this'));
    return 'read';
  }),
};
