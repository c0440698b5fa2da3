import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hopCertificateReply, hopMessage } from '../../src/api/hop-certificates.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { findPrograms } from '../../src/gateway/programs.ts';
import { createCompanion, updateCompanionAddress } from '../../src/inventory/companion.ts';
import { createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import { revokeCompanion } from '../../src/inventory/revoke-companion.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { certAuthorityLine } from '../../src/ssh/known-hosts.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';
import { lineOf, requestFor } from '../ca/sample-authority.ts';
import { type LocalMachine, startLocalMachine } from '../gateway/local-machine.ts';
import { createPerson, freePort, type Person, runSsh, startSsh, until } from '../gateway/ssh-client.ts';
import { appLogin, hasNames } from '../gateway/test-world.ts';
import { startTestServer, type TestPerson, type TestServer } from '../http/test-server.ts';
import { temporaryFolder } from './ssh-keygen.ts';

const targetName = 'shop-production--web';

describe.skipIf(!hasNames)(
  'a hop from a real CA to a real host (needs root, sshd, libnss-extrausers)',
  () => {
    const folder = temporaryFolder();
    let server: TestServer;
    let carol: TestPerson;
    let host: LocalMachine;
    let hostId: string;
    let port: number;
    /** Of the gateway and of the host. */
    let credentials: { readonly gateway: string; readonly host: string };

    beforeAll(async () => {
      const serverPort = await freePort();
      server = await startTestServer({ publicUrl: `http://localhost:${serverPort}` });
      await server.app.listen({ host: '127.0.0.1', port: serverPort });
      carol = await server.person('carol', 'contributor');
      port = await freePort();
      const { database, shop, clock } = server;
      const { organizationId, gatewayId, instanceId } = shop;
      hostId = await inTransaction(database.db, async (tx) => {
        const place = { address: '127.0.0.1', port };
        await updateCompanionAddress(tx, gatewayId, place);
        const machine = { ...place, organizationId, kind: 'host' as const, name: 'web-1' };
        const id = await createCompanion(tx, { ...machine, gatewayLogin: null, environmentIds: [] });
        const instance = { host_id: id, ...place, login: appLogin };
        await tx.updateTable('instances').set(instance).where('id', '=', instanceId).execute();
        return id;
      });
      const gateway = await server.enrol();
      host = await startLocalMachine({
        kind: 'host',
        folder: folder.path('host'),
        address: '127.0.0.1',
        port,
        serverUrl: server.publicUrl.href,
        token: () =>
          inTransaction(database.db, (tx) =>
            createEnrolmentToken(tx, hostId, { now: clock.now, lifetimeSeconds: 600 }),
          ),
        programs: findPrograms(),
        clock: () => new Date(),
        log: () => {},
        names: 'target-names',
        login: appLogin,
        answerSeconds: 10,
        companion: { intervals: { processesMilliseconds: 50, filesMilliseconds: 100 } },
      });
      credentials = { gateway, host: host.enrolment.credential };
    });
    afterAll(async () => {
      await host?.stop();
      await server?.close();
    });

    async function certificateOf(sessionId: string): Promise<string> {
      server.clock.now = new Date();
      const request = await requestFor(server.authority, sessionId);
      return (await server.authority.issueUserCertificate({ sessionId, request })).certificate;
    }

    /** What the gateway sends for carol, over HTTP. */
    async function ask(
      source: string,
      key: GeneratedKey,
      credential = credentials.gateway,
      more: object = {},
    ) {
      const asked = { request_id: crypto.randomUUID(), source_certificate: source, target: targetName };
      const signature = await signSshsig({
        message: hopMessage(server.shop.gatewayId, asked),
        namespace: 'hop@localhost',
        publicKeyBlob: key.publicKeyBlob,
        sign: (bytes) => signWithKey(key.privateKey, bytes),
      });
      const body = { ...asked, public_key: lineOf(key), signature, ...more };
      return await server.call('POST', '/v1/companions/hop-certificates', { credential, body });
    }

    /** The gateway, as ssh on the second leg. */
    async function gatewayFor(sessionId: string): Promise<Person> {
      const source = await certificateOf(sessionId);
      const hostCa = server.caKeys[1] ?? generateEd25519();
      const userCertificate = () => Buffer.alloc(0);
      return await createPerson(
        { hostCa, userCertificate },
        folder.path('people'),
        carol.account,
        { sessionId },
        {
          certify: async (_about, key) => {
            const reply = await ask(source, key);
            if (reply.statusCode !== 200) throw new Error(reply.body);
            return parseCertificateLine(hopCertificateReply.parse(reply.json()).certificate).blob;
          },
        },
      );
    }

    async function toHost(...command: string[]): Promise<string[]> {
      const known = folder.path('known_hosts');
      const hostCa = { type: 'ssh-ed25519', blob: server.caKeys[1]?.publicKeyBlob ?? Buffer.alloc(0) };
      await writeFile(known, `${certAuthorityLine(['*.sallyport'], hostCa, 'test')}\n`);
      const names = ['-o', `UserKnownHostsFile=${known}`, '-o', `HostKeyAlias=${targetName}.sallyport`];
      return [...names, '-p', `${port}`, `${appLogin}@127.0.0.1`, ...command];
    }

    test('lets the gateway in for the person, and ends with the person’s session', async () => {
      const { sessionId } = carol;
      const gateway = await gatewayFor(sessionId);
      expect(await runSsh(gateway, await toHost('whoami'))).toMatchObject({
        status: 0,
        stdout: `${appLogin}\n`,
      });

      const running = startSsh(gateway, await toHost('while date; do sleep 0.2; done'));
      try {
        await running.waitForOutput(/\d/);
        const live = () =>
          server.database.db
            .selectFrom('connections')
            .select(['companion_id', 'account_name', 'serial', 'target_name'])
            .where('session_id', '=', sessionId)
            .where('ended_at', 'is', null)
            .execute();
        await until(async () => (await live()).length === 1, 'the host reports the connection');
        expect(await live()).toEqual([
          {
            companion_id: hostId,
            account_name: carol.account,
            serial: `${gateway.serial}`,
            target_name: targetName,
          },
        ]);
        await inTransaction(server.database.db, (tx) =>
          endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, new Date()),
        );
        expect((await running.ended).status).not.toBe(0);
        expect((await runSsh(gateway, await toHost('true'))).status).toBe(255);
      } finally {
        running.child.kill('SIGKILL');
      }
    });

    test('is given to gateways in force alone, for what is asked in full', async () => {
      const bob = await server.person('bob', 'contributor');
      const source = await certificateOf(bob.sessionId);
      const key = generateEd25519();
      const codeOf = async (asking: ReturnType<typeof ask>) => {
        const reply = await asking;
        return `${reply.statusCode} ${reply.json().code}`;
      };
      expect(await codeOf(ask(source, key, ''))).toBe('401 token_missing');
      expect(await codeOf(ask(source, key, `${credentials.gateway}x`))).toBe('401 token_invalid');
      expect(await codeOf(ask(source, key, credentials.host))).toBe('422 key_possession_unproven');
      expect(await codeOf(ask(source, key, undefined, { host: 'web-2' }))).toBe('400 request_malformed');
      expect(await codeOf(ask(source, key, undefined, { target: '../x' }))).toBe('400 request_malformed');
      expect((await ask(source, key)).statusCode).toBe(200);

      await inTransaction(server.database.db, (tx) =>
        revokeCompanion(tx, { companionId: server.shop.gatewayId, by: 'test' }, new Date()),
      );
      expect(await codeOf(ask(source, generateEd25519()))).toBe('401 token_invalid');
    });
  },
);
