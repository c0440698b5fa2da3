/**
 * A real sshd and what it asks with, the compiled program and sh with curl, when these or the companion misbehave. The
 * programs' own tests are in ask-program.test.ts.
 */
import { existsSync } from 'node:fs';
import { chmod, chown, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isProgram } from '../../src/gateway/programs.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import type { LocalMachine } from './local-machine.ts';
import { createPerson, type Person, runSsh, until } from './ssh-client.ts';
import { alice, appLogin, hasNames, TestWorld } from './test-world.ts';

const principalsUid = 599_999;

describe.each([
  ['the compiled program', true],
  ['sh and curl', false],
] as const)('sshd asking with %s', (_, compiledQuestion) => {
  describe.skipIf(!hasNames || !isProgram('/usr/bin/cc'))(
    '(needs root, sshd, curl, cc, libnss-extrausers)',
    () => {
      const world = new TestWorld();
      let machine: LocalMachine;
      let port: number;
      let person: Person;
      /** The program as it was built. */
      let bytes: Buffer;
      let server: Server | undefined;
      const sockets = new Set<Socket>();

      beforeAll(async () => {
        await world.open();
        ({ machine, port } = await world.startMachine('host', { compiledQuestion, answerSeconds: 10 }));
        person = await createPerson(world.authority, world.folder, alice);
        if (compiledQuestion) bytes = await readFile(join(machine.paths.runFolder, 'ask'));
        // From here on this test is what sshd asks.
        await machine.companion.stop();
      });
      afterAll(() => world.close());
      afterEach(async () => {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
        server = undefined;
        await rm(machine.paths.principalsSocket, { force: true });
      });

      /** Questions get this answer, byte for byte and with its length; null: none ever. */
      async function answering(body: string | null): Promise<void> {
        server = createServer((socket) => {
          sockets.add(socket);
          let text = '';
          socket.on('error', () => {});
          socket.on('data', (chunk) => {
            text += chunk;
            if (!text.includes('key=') || body === null) return;
            socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
          });
        });
        await new Promise<void>((resolve) => server?.listen(machine.paths.principalsSocket, resolve));
        await chown(machine.paths.principalsSocket, principalsUid, principalsUid);
      }

      /** Resolves when sshd has read it anew. */
      async function changeConfiguration(from: string, to: string): Promise<void> {
        const file = join(world.folder, 'host/sshd/sshd_config');
        const text = await readFile(file, 'utf8');
        expect(text).toContain(from);
        await writeFile(file, text.replaceAll(from, to));
        // Written when it listens again.
        const { sshdPidFile } = machine.companionOptions;
        await rm(sshdPidFile);
        process.kill(machine.sshd.pid, 'SIGHUP');
        await until(() => existsSync(sshdPidFile), 'sshd listens again');
      }

      const login = async (user = appLogin) => {
        // In a file: on its command line the client itself would refuse such names.
        const configuration = join(person.folder, 'as');
        const text = await readFile(person.configuration, 'utf8');
        await writeFile(configuration, `User "${user}"\n${text}`);
        return await runSsh({ ...person, configuration }, ['-p', String(port), '127.0.0.1', 'echo in']);
      };
      const getsIn = async () => expect(await login()).toMatchObject({ status: 0, stdout: 'in\n' });
      const isDenied = async () => expect(await login()).toMatchObject({ status: 255, stdout: '' });

      test('[abuse 116] a login goes by the line that names the person, whatever stands around it', async () => {
        for (const answer of [
          `${alice}\n`,
          // No newline at its end.
          alice,
          `no-such-option,,, "\n\n# words\n${'x'.repeat(100)}\n${alice}\n`,
          `restrict ${alice}\n`,
        ]) {
          await answering(answer);
          await getsIn();
          await new Promise((resolve) => server?.close(resolve));
          await rm(machine.paths.principalsSocket, { force: true });
        }
      });

      test.each([
        ['nothing', ''],
        ['a star', '*\n'],
        ['lines that end as on Windows', `${alice}\r\n`],
        ['somebody else', 'bob@example.com\n'],
        ['part of the name', 'alice\n'],
        ['the name in other letters', `${alice.toUpperCase()}\n`],
        ['a pattern', '*@example.com\n'],
        ['options that sshd does not know before the name', `permit-all ${alice}\n`],
      ])('[abuse 116] an answer of %s lets nobody in', async (__, answer) => {
        await answering(answer);
        await isDenied();
      });

      test('[seeds 6] of a certificate that a stranger has signed the companion is told nothing, so it reads no claims of it', async () => {
        await answering(`${alice}\n`);
        const forged = await createPerson(world.authority, world.folder, alice, { ca: generateEd25519() });
        const asked = sockets.size;
        const args = ['-p', String(port), `${appLogin}@127.0.0.1`, 'echo in'];
        expect(await runSsh(forged, args)).toMatchObject({ status: 255, stdout: '' });
        expect(sockets.size).toBe(asked);
        await getsIn();
        expect(sockets.size).toBeGreaterThan(asked);
      });

      test('[abuse 116] a companion that does not answer denies, in a fifth of a second each time it is asked', async () => {
        const [patient, brief] = compiledQuestion
          ? [' 10000 ', ' 200 ']
          : ['--max-time 10 ', '--max-time 0.2 '];
        await changeConfiguration(patient, brief);
        try {
          await answering(null);
          await isDenied();
        } finally {
          await changeConfiguration(brief, patient);
        }
      });

      test('[abuse 116] no companion at all denies', () => isDenied());

      test('[abuse 116] a login name is never read as shell text: it reaches the companion as it is', async () => {
        const asked: string[] = [];
        server = createServer((socket) => {
          sockets.add(socket);
          let text = '';
          socket.on('data', (chunk) => {
            text += chunk;
            if (!text.includes('key=')) return;
            asked.push(new URLSearchParams(text.split('\r\n\r\n')[1]).get('user') ?? '');
            socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${alice.length}\r\n\r\n${alice}`);
          });
        });
        await new Promise<void>((resolve) => server?.listen(machine.paths.principalsSocket, resolve));
        await chown(machine.paths.principalsSocket, principalsUid, principalsUid);
        // sshd asks only about users whom the machine knows, so the machine knows one of this name.
        const name = '$(id)`id`%u;id';
        const passwd = join(world.folder, 'host/names/passwd');
        const shadow = join(world.folder, 'host/names/shadow');
        const before = [await readFile(passwd, 'utf8'), await readFile(shadow, 'utf8')] as const;
        await writeFile(passwd, `${before[0]}${name}:x:599997:599997::/srv/empty:/bin/sh\n`);
        await writeFile(shadow, `${before[1]}${name}:*:1::::::\n`);
        expect(await login(name)).toMatchObject({ status: 0, stdout: 'in\n' });
        expect(new Set(asked)).toEqual(new Set([name]));
        await writeFile(passwd, before[0]);
        await writeFile(shadow, before[1]);
      });

      if (!compiledQuestion) return;
      describe('where the program itself', () => {
        const program = () => join(machine.paths.runFolder, 'ask');
        beforeEach(async () => {
          await rm(program(), { force: true });
          await writeFile(program(), bytes, { mode: 0o755 });
          await chmod(program(), 0o755);
          await answering(`${alice}\n`);
        });

        const isReplaced = async (text: string) => {
          await rm(program());
          await writeFile(program(), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
          await chmod(program(), 0o755);
        };

        test.each([
          ['fails after the right answer', `echo ${alice}; exit 1`],
          ['is killed after the right answer', `echo ${alice}; kill -9 $$`],
          ['tells its answer on the wrong output', `echo ${alice} >&2`],
        ])('[abuse 116] %s: denied', async (__, text) => {
          await isReplaced(text);
          await isDenied();
        });

        test('[abuse 116] tells more on the other output: that is ignored', async () => {
          await isReplaced(`echo bob@example.com >&2; echo ${alice}`);
          await getsIn();
        });

        test('[abuse 116] is missing: denied', async () => {
          await rm(program());
          await isDenied();
        });

        test.each([
          ['may be changed by others', 0o757],
          ['may not be run', 0o644],
        ])('[abuse 116] %s: denied', async (__, mode) => {
          await chmod(program(), mode);
          await isDenied();
        });

        test('[abuse 116] belongs to somebody else: denied', async () => {
          await chown(program(), principalsUid, principalsUid);
          await isDenied();
        });
      });
    },
  );
});
