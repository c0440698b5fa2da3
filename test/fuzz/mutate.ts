/**
 * Changes an input a little, so that most of it still makes sense. What makes formats of SSH hard to fuzz is that every
 * string stands behind its length, and strings stand in strings: after a change of size the lengths around it are put
 * right more often than not.
 */
import type { Random } from './random.ts';

/** Larger ones find little and cost time. */
const longestInput = 20_000;

/** Words that a blind change would hardly ever make. */
const words = [
  'ssh-ed25519',
  'ssh-rsa',
  'ssh-dss',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'nistp256',
  'nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
  'ssh-mldsa44-ed25519@openssh.com',
  'ssh-ed25519-cert-v01@openssh.com',
  'ssh-rsa-cert-v01@openssh.com',
  'rsa-sha2-256',
  'rsa-sha2-512',
  'ssh:',
  'force-command',
  'source-address',
  'verify-required',
  'permit-pty',
  'SSHSIG',
  'sha512',
  'SSHKRL\n\0',
  '-----BEGIN ',
  '-----END ',
  'PRIVATE KEY-----',
  'PUBLIC KEY-----',
  'Comment: ',
  '0.0.0.0/0',
  '::ffff:192.0.2.1',
  '/128',
  '18446744073709551616',
  '%00',
  '\u{feff}',
  '\u{202e}',
  '\r\n',
].map((word) => Buffer.from(word));

const telling = [
  0,
  1,
  2,
  3,
  4,
  0x20,
  0x21,
  0x22,
  0x23,
  0x7f,
  0x80,
  0xff,
  ...Buffer.from('\n\r\t ",/:=@#-.*?'),
];
const lengths = [0, 1, 4, 31, 32, 33, 64, 65, 255, 256, 65_535, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

type Change = (input: Buffer, random: Random, others: readonly Buffer[]) => Buffer;

const changes: readonly Change[] = [
  flipBit,
  flipBit,
  setByte,
  setLength,
  setLength,
  resizeField,
  resizeField,
  repeatField,
  (input, random) => replace(input, span(input, random, 64), Buffer.alloc(0), random),
  (input, random) => replace(input, at(input, random), random.bytes(1 + random.below(8)), random),
  (input, random) => replace(input, at(input, random), random.pick(words), random),
  (input, random) => replace(input, span(input, random, 32), random.pick(words), random),
  (input, random) => replace(input, at(input, random), part(input, random, 256), random),
  (input, random, others) =>
    replace(input, span(input, random, 64), part(random.pick(others), random, 256), random),
  (input, random) => input.subarray(0, random.below(input.length)),
  (input, random, others) => crossover(input, random.pick(others), random),
];

/** @param others where pieces may be taken from */
export function mutate(input: Buffer, random: Random, others: readonly Buffer[]): Buffer {
  let changed = input;
  for (let left = 1 + random.below(random.pick([1, 2, 4])); left > 0; left--) {
    changed = random.pick(changes)(changed, random, others);
  }
  return Buffer.from(changed.subarray(0, longestInput));
}

function flipBit(input: Buffer, random: Random): Buffer {
  return set(input, random.below(input.length), (byte) => byte ^ (1 << random.below(8)));
}

function setByte(input: Buffer, random: Random): Buffer {
  return set(input, random.below(input.length), () => random.pick([random.below(256), random.pick(telling)]));
}

function set(input: Buffer, index: number, change: (byte: number) => number): Buffer {
  const copy = Buffer.from(input);
  if (copy.length > 0) copy[index] = change(copy[index] ?? 0);
  return copy;
}

/** A length that lies. */
function setLength(input: Buffer, random: Random): Buffer {
  const offset = random.pick(fieldsOf(input))?.start ?? 4;
  if (offset > input.length || offset < 4) return input;
  const copy = Buffer.from(input);
  const near = copy.readUInt32BE(offset - 4) + random.below(5) - 2;
  copy.writeUInt32BE((random.below(2) ? near : random.pick(lengths)) >>> 0, offset - 4);
  return copy;
}

/** A string that is longer, shorter or another, with the lengths around it put right. */
function resizeField(input: Buffer, random: Random): Buffer {
  const field = random.pick(fieldsOf(input));
  if (field === undefined) return input;
  const content = input.subarray(field.start, field.end);
  const next = random.pick([
    Buffer.alloc(0),
    content.subarray(1),
    content.subarray(0, -1),
    Buffer.concat([Buffer.alloc(1), content]),
    Buffer.concat([content, random.bytes(1)]),
    random.pick(words),
    random.bytes(random.below(70)),
  ]);
  return resize(input, field, next);
}

/** The same string once more. */
function repeatField(input: Buffer, random: Random): Buffer {
  const field = random.pick(fieldsOf(input));
  if (field === undefined) return input;
  return resize(input, { start: field.end, end: field.end }, input.subarray(field.start - 4, field.end));
}

function crossover(input: Buffer, other: Buffer, random: Random): Buffer {
  return Buffer.concat([
    input.subarray(0, random.below(input.length)),
    other.subarray(random.below(other.length)),
  ]);
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function replace(input: Buffer, where: Span, content: Buffer, random: Random): Buffer {
  if (random.below(3) > 0) return resize(input, where, content);
  return Buffer.concat([input.subarray(0, where.start), content, input.subarray(where.end)]);
}

/** Everything that looks like a length of a string around the place is made to fit. */
function resize(input: Buffer, { start, end }: Span, content: Buffer): Buffer {
  const result = Buffer.concat([input.subarray(0, start), content, input.subarray(end)]);
  const growth = content.length - (end - start);
  for (const field of fieldsOf(input)) {
    if (field.start <= start && field.end >= end) {
      result.writeUInt32BE(Math.max(0, field.end - field.start + growth), field.start - 4);
    }
  }
  return result;
}

/** Contents of whatever looks like a string behind its length. */
function fieldsOf(input: Buffer): Span[] {
  const fields: Span[] = [];
  for (let offset = 0; offset + 4 <= input.length; offset++) {
    // No string here is over 64 KB long.
    if (input[offset] !== 0 || input[offset + 1] !== 0) continue;
    const end = offset + 4 + input.readUInt32BE(offset);
    if (end <= input.length) fields.push({ start: offset + 4, end });
  }
  return fields;
}

function at(input: Buffer, random: Random): Span {
  const start = random.below(input.length + 1);
  return { start, end: start };
}

function span(input: Buffer, random: Random, longest: number): Span {
  const { start } = at(input, random);
  return { start, end: Math.min(input.length, start + 1 + random.below(longest)) };
}

function part(input: Buffer, random: Random, longest: number): Buffer {
  const { start, end } = span(input, random, longest);
  return input.subarray(start, end);
}
