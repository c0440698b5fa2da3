/**
 * A server that is killed between the commit of a certificate and its signature. Started by kill.postgres.test.ts with
 * one argument, JSON as below.
 */
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { openFileSigner } from '../../src/ca/signer.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';

const { url, userKeyFile, hostKeyFile, domain, now, sessionId, request } = JSON.parse(process.argv[2] ?? '');
const { publicKey } = await openFileSigner(userKeyFile);
const authority = await createCertificateAuthority({
  database: await openPostgres({ url }),
  userSigner: {
    publicKey,
    sign: async () => {
      process.kill(process.pid, 'SIGKILL');
      return new Promise<never>(() => {});
    },
  },
  hostSigner: await openFileSigner(hostKeyFile),
  domain,
  clock: () => new Date(now),
});
await authority.issueUserCertificate({ sessionId, request });
