/** Keys on the operator's list of weak ones: nobody's, whoever holds them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { md5Fingerprint } from '../../src/ssh/key-listing.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseWeakKeyList } from '../../src/ssh/weak-key-list.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import {
  domain,
  heldInMemory,
  memorySigner,
  refusalCode,
  requestFor,
  sampleAuthority,
  startTime,
} from './sample-authority.ts';

const listedKey = generateEd25519();
const digits = md5Fingerprint(listedKey.publicKeyBlob).replace('MD5:', '').replaceAll(':', '').slice(-20);

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

test('[abuse 40] a listed key gets no certificate, another key of the same session does', async () => {
  const authority = await createCertificateAuthority({
    database,
    ...heldInMemory({ user: memorySigner(), host: memorySigner() }),
    domain,
    clock: () => startTime,
    weakKeys: parseWeakKeyList(digits),
  });
  const { person } = await sampleAuthority(database, {}, authority);
  const { sessionId } = await person('alice');
  const listed = await requestFor(authority, sessionId, listedKey);
  expect(await refusalCode(authority.issueUserCertificate({ sessionId, request: listed }))).toBe('key_weak');
  const other = await requestFor(authority, sessionId);
  expect((await authority.issueUserCertificate({ sessionId, request: other })).account).toBe(
    'alice@example.com',
  );
  expect(() => authority.refuseListedKey(listedKey.publicKeyBlob)).toThrow('others can make too');
  await authority.close();
});
