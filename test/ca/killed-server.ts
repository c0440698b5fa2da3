/**
 * A server with eight clients that never stop asking, until it is killed. Started by kill.postgres.test.ts with one
 * argument, JSON as below. Writes a line for each request before it is made, and one for each reply.
 */
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { openSigner } from '../../src/ca/signers/open-signer.ts';
import { signerSurroundings } from '../../src/ca/signers/surroundings.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { requestFor } from './sample-authority.ts';

const { url, keysFolder, domain, now, sessionIds } = JSON.parse(process.argv[2] ?? '');
const surroundings = signerSurroundings(keysFolder, {});
const authority = await createCertificateAuthority({
  database: await openPostgres({ url }),
  openSigner: (uri) => openSigner(uri, surroundings),
  firstSigners: { user: 'file:user.pem', host: 'file:host.pem', hop: 'file:hop.pem' },
  domain,
  clock: () => new Date(now),
});

async function client(sessionId: string): Promise<never> {
  for (;;) {
    const request = await requestFor(authority, sessionId);
    console.log(JSON.stringify({ sessionId, request }));
    const reply = await authority.issueUserCertificate({ sessionId, request });
    console.log(JSON.stringify({ requestId: request.request_id, reply }));
  }
}

await Promise.all(sessionIds.map(client));
