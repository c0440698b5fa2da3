import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { krlMessage } from '../../../src/api/companions.ts';
import {
  type CertificateAuthority,
  createCertificateAuthority,
} from '../../../src/ca/certificate-authority.ts';
import { createKeyFile } from '../../../src/ca/signers/key-file.ts';
import { openSigner } from '../../../src/ca/signers/open-signer.ts';
import { signerSurroundings } from '../../../src/ca/signers/surroundings.ts';
import { parsePublicKeyLine } from '../../../src/ssh/public-key.ts';
import { verifySshsig } from '../../../src/ssh/sshsig.ts';
import { type FreshDatabase, freshDatabase } from '../../database/fresh-database.ts';
import { sshKeygenOutput, temporaryFolder } from '../../interop/ssh-keygen.ts';
import { domain, requestFor, sampleAuthority, startTime } from '../sample-authority.ts';
import { createSoftToken, describeWithSofthsm, softhsmModule } from './softhsm.ts';
import { addKey, type RunningAgent, startSshAgent } from './ssh-agent.ts';

const folder = temporaryFolder();

describeWithSofthsm(
  'an authority whose keys are in a token, in an ssh-agent and in an encrypted file',
  () => {
    let database: FreshDatabase;
    let agent: RunningAgent;
    let authority: CertificateAuthority;
    beforeAll(async () => {
      const passphrase = randomBytes(24).toString('base64');
      await createKeyFile(folder.path('hop_ca.pem'), { passphrase: Buffer.from(passphrase) });
      agent = await startSshAgent(folder.path('agent.sock'));
      const hostKey = addKey(agent, folder.path('host_ca'), 'rsa', '-b', '3072');
      const token = createSoftToken(folder.path('hsm'), '1234');
      token.generate('user_ca', '01', 'EC:secp384r1');
      const surroundings = signerSurroundings(folder.path('.'), {
        ...token.environment,
        SALLYPORT_KEYS_PASSPHRASE_FILE: folder.write('passphrase', passphrase),
        SALLYPORT_AGENT_SOCK: agent.socketPath,
        SALLYPORT_PKCS11_MODULE: softhsmModule,
        SALLYPORT_PKCS11_PIN_FILE: folder.write('pin', '1234'),
      });
      database = await freshDatabase();
      authority = await createCertificateAuthority({
        database,
        firstSigners: { user: 'pkcs11:object=user_ca', host: `agent:${hostKey}`, hop: 'file:hop_ca.pem' },
        openSigner: (uri) => openSigner(uri, surroundings),
        domain,
        clock: () => startTime,
      });
    });
    afterAll(async () => {
      await authority.close();
      await database.close();
      await agent.close();
    });

    test('issues a certificate that ssh-keygen reads, signed by the key in the token', async () => {
      const { person } = await sampleAuthority(database, {}, authority);
      const { sessionId } = await person('alice');
      const request = await requestFor(authority, sessionId);
      const { certificate } = await authority.issueUserCertificate({ sessionId, request });
      const listing = sshKeygenOutput(['-L', '-f', folder.write('alice-cert.pub', `${certificate}\n`)]);
      expect(listing).toMatch(/Signing CA: ECDSA SHA256:\S+ \(using ecdsa-sha2-nistp384\)/);
    });

    test('signs its revocation list with it', async () => {
      const [user] = await authority.userAuthorities();
      const { version, data, signature } = await authority.currentKrl();
      verifySshsig({
        message: krlMessage(version, data),
        namespace: `krl@${domain}`,
        publicKeyBlob: parsePublicKeyLine(user?.publicKeyLine ?? '').blob,
        armored: signature,
      });
    });

    test('tells helpers the host key in the agent and hosts the hop key in the file', async () => {
      const [host = ''] = await authority.hostAuthorityLines();
      const [hop] = await authority.hopAuthorities();
      expect(parsePublicKeyLine(host).type).toBe('ssh-rsa');
      expect(parsePublicKeyLine(hop?.publicKeyLine ?? '').type).toBe('ssh-ed25519');
    });
  },
);
