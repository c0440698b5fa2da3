/**
 * A server that is killed between the commit of a certificate and its signature. Started by kill.postgres.test.ts with
 * one argument, JSON as below.
 */
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { openSigner } from '../../src/ca/signers/open-signer.ts';
import { signerSurroundings } from '../../src/ca/signers/surroundings.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';

const { url, keysFolder, domain, now, sessionId, request } = JSON.parse(process.argv[2] ?? '');
const surroundings = signerSurroundings(keysFolder, {});
const authority = await createCertificateAuthority({
  database: await openPostgres({ url }),
  openSigner: async (uri) => ({
    ...(await openSigner(uri, surroundings)),
    sign: async () => {
      process.kill(process.pid, 'SIGKILL');
      return new Promise<never>(() => {});
    },
  }),
  firstSigners: { user: 'file:user.pem', host: 'file:host.pem', hop: 'file:hop.pem' },
  domain,
  clock: () => new Date(now),
});
await authority.issueUserCertificate({ sessionId, request });
