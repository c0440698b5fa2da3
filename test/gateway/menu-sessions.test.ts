/**
 * The menu on a real terminal, through a real gateway and on to a real host. [seeds 21] and [seeds 22] are proven by the
 * tests that carry them together: 21 by the levels, the states and what can be chosen, and by `q`; 22 by targets and apps
 * as the command, and by what is said without a terminal.
 */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RelayWorld } from './relay-world.ts';
import { type Person, runSsh } from './ssh-client.ts';
import type { TargetDocument } from './test-authority.ts';
import { alice, bob, carol, hasNames, web } from './test-world.ts';
import { hasTmux, Tmux } from './tmux.ts';

/** Its host is certified for every target before there is one, so that no sshd is restarted in between. */
class MenuWorld extends RelayWorld {
  override async startMachine(...args: Parameters<RelayWorld['startMachine']>) {
    this.authority.targets = targetsLike(web);
    return await super.startMachine(...args);
  }
}

const world = new MenuWorld();
const { authority } = world;
const menuNumber = 600_100;
let terminals: Tmux[] = [];
let opened = 0;

function targetsLike(some: TargetDocument): TargetDocument[] {
  const at = (number: number, place: Partial<TargetDocument>): TargetDocument => ({
    ...some,
    gatewayUid: 600_000 + number,
    nodeNumber: 100_000 + number,
    ...place,
  });
  const webAt = (number: number, change: Partial<TargetDocument> = {}) =>
    at(10 + number, {
      targetName: `shop-production--web--${number}`,
      instance: String(number),
      instanceRole: 'web',
      ...change,
    });
  return [
    webAt(1),
    webAt(2, { state: 'stopped' }),
    at(20, { targetName: 'shop-production--queue', app: 'queue' }),
    at(21, {
      targetName: 'blog-staging--site',
      project: 'blog',
      environment: 'staging',
      environmentKind: 'staging',
      app: 'site',
    }),
    at(22, { targetName: 'secret-x--y', project: 'secret', app: 'y' }),
  ];
}

beforeAll(async () => {
  if (!hasNames || !hasTmux) return;
  await world.open();
  authority.targets = targetsLike(world.target());
  const everywhere = { role: 'contributor', organization: 'example', expiresAtSeconds: null } as const;
  authority.rules = [
    { ...everywhere, subject: { account: alice }, project: 'shop', environment: null },
    { ...everywhere, subject: { account: alice }, project: 'blog', environment: null },
    { ...everywhere, subject: { account: bob }, project: 'blog', environment: null },
  ];
  authority.accounts = authority.accounts.map((account) =>
    account.name === alice ? { ...account, number: menuNumber } : account,
  );
  await world.pushed();
});
afterEach(() => {
  for (const terminal of terminals) terminal.close();
  terminals = [];
});
afterAll(() => world.close());

async function open(person: Person, ...args: readonly string[]): Promise<Tmux> {
  opened += 1;
  const terminal = await Tmux.open(join(world.folder, `t${opened}`), person, args);
  terminals.push(terminal);
  return terminal;
}

/** A shell at the target has asked for a command, and runs one there. */
async function expectShell(terminal: Tmux): Promise<void> {
  await terminal.waitFor(/\n\$$/);
  await terminal.type('echo "here: $(id -un)"\r');
  await terminal.waitFor(/here: app\n\$$/);
}

const projects = `\
Sallyport gateway gateway   alice@example.com
example > choose: project / environment

  Project / environment  Id             State           
> blog / staging         100021-600021  running         staging
  shop / production                     2 of 3 running  production


Arrows: move   Enter: open   letters: filter   Esc: back   q: quit
Filter:`.replace(/ +$/gm, '');

const instances = `\
Sallyport gateway gateway   alice@example.com
example > shop / production > web > choose: instance

  Instance  Id             State
> 1         100011-600011  running  web
  2         100012-600012  stopped  web


Arrows: move   Enter: open   letters: filter   Esc: back   q: quit
Filter:`;

describe.skipIf(!hasNames || !hasTmux)(
  'the menu of a gateway (needs root, sshd, libnss-extrausers, tmux)',
  () => {
    test('[seeds 21] goes from project to app to instance, shows states, and takes one to what runs and nothing else', async () => {
      const person = await world.person();
      const terminal = await open(person, ...world.at('ssh'));
      expect(await terminal.waitFor(/Filter:/)).toBe(projects);
      await terminal.press('Down', 'Enter');
      expect(await terminal.waitFor(/choose: app/)).toMatch(
        /> queue +100020-600020 +running\n {2}web +1 of 2 running/,
      );
      await terminal.press('Down', 'Enter');
      expect(await terminal.waitFor(/choose: instance/)).toBe(instances);
      await terminal.press('Down', 'Enter');
      await terminal.waitFor(
        /^The instance shop-production--web--2 is stopped\. It must be started first\.$/m,
      );
      await terminal.press('Up', 'Enter');
      await expectShell(terminal);
      await terminal.type('exit 7\r');
      // The target began on a screen of its own.
      expect(await terminal.waitFor(/ended with 7/)).not.toContain('choose: instance');
      const { connections } = await authority.waitForReport((report) =>
        report.connections.some(({ session_id, way }) => session_id === person.sessionId && way === 'relay'),
      );
      expect(connections.find(({ session_id }) => session_id === person.sessionId)).toMatchObject({
        target: 'shop-production--web--1',
      });
    });

    test('[seeds 21] ends at every level with q', async () => {
      const terminal = await open(await world.person(), ...world.at('ssh'));
      await terminal.waitFor(/Filter:/);
      await terminal.press('q');
      await terminal.waitFor(/ended with 0/);
      const second = await open(await world.person(), ...world.at('ssh'));
      await second.waitFor(/Filter:/);
      await second.press('Down', 'Enter');
      await second.waitFor(/choose: app/);
      await second.type('web');
      await second.waitFor(/Filter: web/);
      await second.press('Escape');
      await second.waitFor(/Filter:$/);
      await second.press('q');
      await second.waitFor(/ended with 0/);
    });

    test('[seeds 21] passes by levels with one entry: whoever may see one target is there at once', async () => {
      const terminal = await open(await world.person(bob), ...world.at('ssh'));
      await expectShell(terminal);
    });

    test('an account has a menu of its own under its number, which is nothing to anybody else', async () => {
      const terminal = await open(await world.person(), ...world.at(String(menuNumber)));
      expect(await terminal.waitFor(/Filter:/)).toBe(projects);
      const ran = await runSsh(await world.person(bob), world.at(String(menuNumber)));
      expect(ran).toMatchObject({ status: 255, stdout: '' });
      expect(ran.stderr).toContain('Permission denied');
    });

    test('filters by typing, and shows nothing that the person may not see', async () => {
      const terminal = await open(await world.person(), ...world.at('ssh'));
      await terminal.waitFor(/Filter:/);
      await terminal.type('secret');
      await terminal.waitFor(/Nothing here holds what you typed/);
      await terminal.press('Escape');
      await terminal.type('100012-');
      expect(await terminal.waitFor(/Filter: 100012-/)).toMatch(/^> shop \/ production/m);
    });

    test('tells whoever may see nothing, and ends', async () => {
      const terminal = await open(await world.person(carol), ...world.at('ssh'));
      await terminal.waitFor(/Ask an admin for one\.\n(.*\n)*ended with 1/);
    });

    test('ends with the login session while it is open', async () => {
      const person = await world.person();
      const terminal = await open(person, ...world.at('ssh'));
      await terminal.waitFor(/2 of 3 running/);
      authority.endedSessions.push(person.sessionId);
      authority.push();
      await terminal.waitFor(/ended with 255/);
    });

    test.each([
      ['an instance', ['shop-production--web--1']],
      ['the numeric alias', ['100011-600011']],
      ['an app with one instance', ['shop-production--queue']],
    ])('[seeds 22] a command that names %s goes there without a menu', async (_, command) => {
      const terminal = await open(await world.person(), '-t', ...world.at('ssh', ...command));
      await expectShell(terminal);
    });

    test('[seeds 22] a command that names an app with several instances opens the menu there', async () => {
      const terminal = await open(await world.person(), '-t', ...world.at('ssh', 'shop-production--web'));
      expect(await terminal.waitFor(/Filter:/)).toBe(instances);
    });

    test('[seeds 22] a command that names what is stopped, or nothing that one may see, is refused in words', async () => {
      const person = await world.person();
      const refusal = async (...command: string[]) => {
        const ran = await runSsh(person, world.at('ssh', ...command));
        expect(ran).toMatchObject({ status: 1, stdout: '' });
        return ran.stderr.replaceAll('\r', '');
      };
      expect(await refusal('shop-production--web--2')).toMatch(
        /^Error: Access denied\nService: shop-production--web--2\nUser: alice@example\.com\nDetail: .* is stopped\./,
      );
      const unknown = await refusal('nowhere-at--all');
      expect(await refusal('secret-x--y')).toBe(unknown.replaceAll('nowhere-at--all', 'secret-x--y'));
    });

    test('[seeds 22] without a terminal it says what to do and does not wait', async () => {
      const person = await world.person();
      const ran = await runSsh(person, world.at('ssh'));
      expect(ran).toMatchObject({ status: 1, stdout: '' });
      expect(ran.stderr).toContain('The menu needs a terminal: ssh -t');
      const several = await runSsh(person, world.at('ssh', 'shop-production--web'));
      expect(several.status).toBe(1);
      expect(several.stderr).toContain('Name one: shop-production--web--1, shop-production--web--2.');
      const named = await runSsh(person, world.at('ssh', 'shop-production--queue'));
      expect(named).toMatchObject({ status: 0 });
    });
  },
);
