import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createProofNonces } from '../../src/oauth/proof-nonces.ts';

const key = randomBytes(32);
const now = new Date('2026-01-02T03:04:05Z');
const later = (seconds: number) => new Date(now.getTime() + seconds * 1000);

describe('a nonce', () => {
  const nonces = createProofNonces(key);

  test('is good for two minutes at least, and for four at most', () => {
    const nonce = nonces.current(now);
    for (const seconds of [0, 60, 120]) expect(nonces.accepts(nonce, later(seconds))).toBe(true);
    expect(nonces.accepts(nonce, later(240))).toBe(false);
  });

  test('is good at a server whose clock is a minute behind', () => {
    expect(nonces.accepts(nonces.current(now), later(-60))).toBe(true);
  });

  test('is another each minute', () => {
    expect(nonces.current(later(60))).not.toBe(nonces.current(now));
  });

  test('is good at every server process with the same key, and nowhere else', () => {
    const nonce = nonces.current(now);
    expect(createProofNonces(Buffer.from(key)).accepts(nonce, now)).toBe(true);
    expect(createProofNonces(randomBytes(32)).accepts(nonce, now)).toBe(false);
  });

  test.each([
    ['nothing', () => ''],
    ['one that is cut short', (nonce: string) => nonce.slice(0, -1)],
    ['one made longer', (nonce: string) => `${nonce}A`],
    ['one with padding', (nonce: string) => `${nonce}=`],
    ['other text', () => 'x'.repeat(43)],
  ])('%s is none', (_what, change) => {
    expect(nonces.accepts(change(nonces.current(now)), now)).toBe(false);
  });
});
