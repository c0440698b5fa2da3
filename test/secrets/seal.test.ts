import { describe, expect, test } from 'vitest';
import { createSealer, newSealingKey } from '../../src/secrets/seal.ts';

const key = newSealingKey();
const sealer = createSealer([key]);

describe('what is sealed', () => {
  test('is read again in its own place only', () => {
    const sealed = sealer.seal('refresh token', 'a');
    expect(sealer.open(sealed, 'a')).toBe('refresh token');
    expect(() => sealer.open(sealed, 'b')).toThrow(/can not be read/);
  });

  test('differs each time and does not show its text', () => {
    expect(sealer.seal('same', 'a')).not.toEqual(sealer.seal('same', 'a'));
    expect(sealer.seal('plain words', 'a').includes('plain')).toBe(false);
  });

  test('is refused when any of its bytes was changed, or cut off', () => {
    const sealed = sealer.seal('x', 'a');
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => sealer.open(changed, 'a'), `byte ${at}`).toThrow(/can not be read/);
      expect(() => sealer.open(sealed.subarray(0, at), 'a'), `cut at ${at}`).toThrow(/can not be read/);
    }
  });

  test('is read after a new key came first, and not without its own', () => {
    const sealed = sealer.seal('x', 'a');
    expect(createSealer([newSealingKey(), key]).open(sealed, 'a')).toBe('x');
    expect(() => createSealer([newSealingKey()]).open(sealed, 'a')).toThrow(/can not be read/);
  });
});

test('derived keys are the same for the same purpose and differ between purposes', () => {
  expect(sealer.derive('one')).toEqual(createSealer([key]).derive('one'));
  expect(sealer.derive('one')).not.toEqual(sealer.derive('two'));
});

test('a key that is not of 32 bytes is refused', () => {
  expect(() => createSealer([Buffer.alloc(16)])).toThrow(TypeError);
  expect(() => createSealer([])).toThrow(TypeError);
});
