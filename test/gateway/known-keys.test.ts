/** Registered keys as a state brings them, which may be of a newer server. */
import { expect, test } from 'vitest';
import type { Facts } from '../../src/gateway/decide-offer.ts';
import { isRegistered, readKey } from '../../src/gateway/registered-keys.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { alice } from './test-world.ts';

const key = generateEd25519();
const line = publicKeyLine({ type: 'ssh-ed25519', blob: key.publicKeyBlob });
const base64 = key.publicKeyBlob.toString('base64');
const about = { account: alice, expires_at: 1_800_000_600, session_id: crypto.randomUUID() };

function factsOf(...lines: string[]): Facts {
  const state = {
    accounts: [{ name: alice, organization: 'example', disabled: false, groups: [] }],
    registered_keys: lines.map((public_key) => ({ ...about, public_key })),
  } as unknown as Facts['state'];
  return { state, endedSessions: new Set(), nowSeconds: 1_800_000_000 };
}

test.each(['ssh-later AAAACXNzaC1sYXRlcg==', 'no key', `restrict ${line}`])(
  'the line %j, which is no key here, takes nothing from the others',
  (other) => {
    const facts = factsOf(other, line);
    const offer = readKey(base64, facts);
    expect(offer).toMatchObject({ account: alice, source: 'key' });
    if (offer) expect(isRegistered(offer, facts.state)).toBe(true);
  },
);

test('sshd is told the key and nothing that stands behind it', () => {
  expect(readKey(base64, factsOf(`${line} work, laptop`))?.sourceText).toBe(line);
});
