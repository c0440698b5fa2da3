/**
 * [seeds 20]: the line in the app's own log, by a stand-in for logger, since there is no journal where tests run. The events
 * for the audit: test/connections/replace-connections.test.ts.
 */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RelayWorld } from './relay-world.ts';
import { runSsh, until } from './ssh-client.ts';
import { appLogin, carol, hasNames } from './test-world.ts';

class LoggingWorld extends RelayWorld {
  get logFile(): string {
    return join(this.folder, 'app.log');
  }

  override hostOptions() {
    return {
      companion: {
        intervals: { processesMilliseconds: 50, filesMilliseconds: 100 },
        feed: { pauses: { firstMilliseconds: 10, longestMilliseconds: 100 } },
        logProgram: join(this.folder, 'logger'),
      },
    };
  }

  override async open(): Promise<void> {
    await super.open();
    const program = `#!/bin/sh\nentry="$*\n$(cat)"\nprintf '%s\\n\\n' "$entry" >>'${this.logFile}'\n`;
    await writeFile(join(this.folder, 'logger'), program);
    await chmod(join(this.folder, 'logger'), 0o755);
    await this.install({ journalUnit: 'shop-web' });
  }

  async appLog(entries: number): Promise<string[]> {
    let found: string[] = [];
    await until(async () => {
      found = (await readFile(this.logFile, 'utf8').catch(() => '')).split('\n\n').slice(0, -1);
      return found.length >= entries;
    }, `${entries} lines in the app's log`);
    return found;
  }
}

const world = new LoggingWorld();
beforeAll(async () => {
  if (hasNames) await world.open();
});
afterEach(() => world.killStarted());
afterAll(() => world.close());

describe.skipIf(!hasNames)('the log of the app (needs root, sshd, curl, libnss-extrausers)', () => {
  test('[seeds 20] has a line for who comes, who goes and who is refused, with key id, serial and address', async () => {
    const direct = (...command: string[]) => [
      '-p',
      String(world.host.port),
      `${appLogin}@127.0.0.1`,
      ...command,
    ];
    const person = await world.person();
    expect(await runSsh(person, direct('echo in'))).toMatchObject({ status: 0, stdout: 'in\n' });
    const about = `(key id ${person.account}/${person.sessionId}, serial ${person.serial}, from 127.0.0.1)`;
    const rest = 'OBJECT_SYSTEMD_UNIT=shop-web.service\nSYSLOG_IDENTIFIER=sallyport\nPRIORITY=6';
    expect(await world.appLog(2)).toEqual([
      `--journald\nMESSAGE=ssh: ${person.account} is in ${about}\n${rest}`,
      `--journald\nMESSAGE=ssh: ${person.account} is out ${about}\n${rest}`,
    ]);
    const without = await world.person(carol, { mfa: false });
    expect((await runSsh(without, direct('true'))).stderr).toContain('Error: Access denied');
    const [, , refused] = await world.appLog(3);
    expect(refused).toContain(
      `MESSAGE=ssh: ${carol} was refused (key id ${carol}/${without.sessionId}, serial `,
    );
  });
});
