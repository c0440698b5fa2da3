/** A connection as a companion keeps it: alice's, to the target `web`, through a gateway. */
import { randomUUID } from 'node:crypto';
import type { Connection } from '../../src/gateway/connection-file.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { alice, web } from './test-world.ts';

export const now = 1_800_000_000;
/** The CA's public key. */
export const authority = generateEd25519().publicKeyBlob;

export const aConnection: Connection = {
  format: 1,
  bootId: 'boot',
  pid: 100,
  startTime: '1',
  offer: {
    account: alice,
    organization: 'example',
    sessionId: randomUUID(),
    serial: '7',
    authority: authority.toString('base64'),
    mode: 'interactive',
    amr: ['pwd', 'otp'],
    acr: null,
    authTimeSeconds: now - 1_000,
    mfa: true,
    mfaBy: 'provider',
    mfaMethods: ['otp'],
    mfaTimeSeconds: null,
    roleLimit: null,
    forThisMachine: false,
    validBeforeSeconds: now - 500,
    source: 'certificate',
    sourceText: '',
  },
  user: web.targetName,
  permitted: [{ name: web.targetName, address: web.address, port: web.port }],
  offeredAtSeconds: now - 600,
  startedAtSeconds: now - 600,
  ticketDigest: null,
  way: 'jump',
  granted: null,
  clientAddress: null,
  leaders: [],
};
