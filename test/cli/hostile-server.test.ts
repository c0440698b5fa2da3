/**
 * [abuse 126]: whatever a server says, sally prints no escape sequence and no control character of it: in answers, as a
 * table and as JSON, and in refusals, by every command that there is. Principals and key IDs of a certificate: here too;
 * of any file that is inspected: test/cli/inspect.test.ts. The login has a case of its own in test/cli/login.test.ts.
 */
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sallyCommands } from '../../src/cli/command-line/commands.ts';
import { guardedSink } from '../../src/cli/guarded-sink.ts';
import { Person } from './person.ts';
import { sampleTarget } from './reach/sample-targets.ts';
import { account, ServerDouble, sessionId } from './server-double.ts';

/** OSC 0 (title), OSC 8 (link), OSC 52 (clipboard), CSI in 7 and 8 bits, DEL, NUL, CR, turned direction, a line of ours. */
const hostile =
  'x\u001b]0;pwned\u0007\u001b]8;;http://evil.example\u001b\\\u001b]52;c;cHduZWQ=\u0007\u001b[2J\u009b31m\u007f\u0000\rOK\u202egnp.exe\u2028\nsally: all is well';
const unsafe = /[^\n\x20-\x7e]/;

let server: ServerDouble;
let alice: Person;
beforeAll(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
  await alice.login(server.url);
  server.sessions = [{ ...server.session(), ...ofSession }];
  const now = Math.floor(Date.now() / 1000);
  const key = {
    id: sessionId,
    account,
    name: hostile,
    type: hostile,
    fingerprint: hostile,
    public_key: server.configuration.host_authorities[0],
    created_at: now,
    expires_at: now + 60,
    last_used_at: null,
    session_id: sessionId,
  };
  Object.assign(server.answers, {
    'GET /v1/targets': {
      account,
      targets: ['one', 'two'].map((instance) =>
        sampleTarget(`shop-production--web--${instance}`, {
          role: hostile,
          labels: { [hostile]: hostile },
          allowed: false,
          reason: { code: hostile, message: hostile },
          command: hostile,
        }),
      ),
      gateways: [],
      empty_apps: [],
      next: null,
    },
    'GET /v1/explain': {
      account,
      target: 'shop-production--web--one',
      allowed: false,
      reasons: [{ code: hostile, message: hostile }],
      command: hostile,
      text: hostile,
      assumed: [hostile],
    },
    'GET /v1/session': {
      session: { ...server.session(), ...ofSession },
      organization: 'demo',
      role: 'admin',
    },
    'GET /v1/inventory/organization': { slug: hostile, ssh_enabled: false },
    'GET /v1/inventory/projects/shop': { ssh_enabled: false },
    'GET /v1/inventory/environments/shop.production': { ssh_enabled: false },
    'GET /v1/inventory/apps/shop.production.web': { ssh_enabled: false, ssh_role: hostile },
    'GET /v1/sessions/own': { sessions: server.sessions },
    'GET /v1/ssh-keys': { ssh_keys: [key] },
    'GET /v1/accounts': {
      accounts: [
        {
          name: account,
          display_name: hostile,
          kind: 'person',
          disabled: false,
          role: null,
          groups: [hostile],
          live_sessions: 0,
          created_at: now,
          break_glass: { expires_at: now + 60, reason: hostile },
        },
      ],
    },
  });
});
afterAll(async () => {
  await server.stop();
  alice.remove();
});

const ofSession = {
  client_name: hostile,
  client_address: hostile,
  provider: hostile,
  amr: [hostile],
  ended_at: 1_700_000_000,
  ended_reason: hostile,
};

describe('[abuse 126] sally prints nothing that a terminal would obey', () => {
  test.each([
    ['ls'],
    ['target', 'shop-production--web--one'],
    ['ssh', 'shop-production--web--one'],
    ['ssh', '--app', 'web'],
    ['explain', 'shop-production--web--one'],
    ['ssh-access', 'show', 'shop-production--web--one'],
    ['whoami'],
    ['sessions', 'list', '--all'],
    ['admin', 'sessions', 'list', '--all'],
    ['admin', 'accounts', 'list'],
    ['ssh-keys', 'list'],
  ])('[abuse 126] of answers: %s %s %s', async (...words) => {
    const argv = words.filter((word) => word !== undefined);
    const hasJson = argv[0] !== 'ssh';
    for (const run of [argv, ...(hasJson ? [[...argv, '--json']] : [])]) {
      const { stdout, stderr } = await alice.sally(run, { environment: { isTerminal: true, columns: 400 } });
      const shown = (stdout + stderr).replace(/\u001b\[(?:1|2|22|31|32|39)m/g, '');
      expect(shown).toContain('pwned');
      expect(shown).not.toMatch(unsafe);
      // An explanation has lines; who reads it knows whose they are.
      expect(argv[0] === 'explain' ? stderr : shown).not.toMatch(/^sally: all is well/m);
      // What is for programs is still what the server said.
      if (run !== argv)
        expect(JSON.stringify(JSON.parse(stdout))).toContain(JSON.stringify(hostile).slice(1, -1));
    }
  });

  test('[abuse 126] of refusals, by every command', async () => {
    const refused = { status: 403, code: 'forbidden', detail: hostile };
    server.faults = { refuse: { '': refused } };
    try {
      const said: string[] = [];
      for (const argv of await everyCommand()) {
        const { stdout, stderr } = await alice.sally(argv, {
          environment: { folder: alice.home, forPrograms: { PATH: '/nonexistent' } },
          runProgram: async () => 1,
        });
        expect([argv, stdout + stderr]).toEqual([argv, expect.not.stringMatching(unsafe)]);
        expect([argv, stderr]).toEqual([argv, expect.not.stringMatching(/^sally: all is well/m)]);
        if (stderr.includes('pwned')) said.push(argv.join(' '));
      }
      // Most do ask the server, and so repeat what it says.
      expect(said.length).toBeGreaterThan(20);
    } finally {
      server.faults = {};
    }
  });

  test('[abuse 126] of certificates: principals and key ID', async () => {
    const bob = new Person();
    try {
      server.faults = { certificateFor: hostile };
      const { stdout, stderr } = await bob.sally(['login', '--server', server.url]);
      const shown = await bob.sally(['cert', 'show']);
      expect(stdout + stderr + shown.stdout + shown.stderr).not.toMatch(unsafe);
    } finally {
      server.faults = {};
      bob.remove();
    }
  });

  test('[abuse 126] and where a command has forgotten to look, the last thing before the terminal has not', () => {
    const written: string[] = [];
    const sink = { write: (text: string) => written.push(text) };
    guardedSink(sink, { colors: false }).write(`${JSON.stringify({ hostile })}\tjosé\n`);
    expect(written.join('')).not.toMatch(/[^\n\t\x20-\x7eé]/);
    expect(JSON.parse((written[0] ?? '').split('\t')[0] ?? '')).toEqual({ hostile });
    written.length = 0;
    const bold = '\u001b[1mbold\u001b[22m';
    guardedSink(sink, { colors: true }).write(`${bold}\u001b[2J`);
    expect(written.join('')).toBe(`${bold}\\u001b[2J`);
    written.length = 0;
    guardedSink(sink, { colors: false }).write(bold);
    expect(written.join('')).not.toContain('\u001b');
  });
});

/** Every command without options, with words where it wants some; none that lives on. */
async function everyCommand(): Promise<string[][]> {
  const silent = { write: () => {} };
  const environment = { home: undefined, passwdHome: undefined, program: { node: '', entry: '' } };
  const program = await sallyCommands({ environment, stdout: silent, stderr: silent }, async () => {});
  const found: string[][] = [];
  const walk = (command: Command, path: readonly string[]) => {
    for (const child of command.commands) {
      const words = [...path, child.name()];
      const args = child.registeredArguments
        .filter(({ required }) => required)
        .map((argument) => wordFor(argument.name()));
      if (!livesOn.has(words.join(' ')) && (child.commands.length === 0 || args.length > 0)) {
        found.push([...words, ...args]);
      }
      walk(child, words);
    }
  };
  walk(program, []);
  return found;
}

const livesOn = new Set(['agent start', 'agent', 'logout', 'login']);

function wordFor(name: string): string {
  if (name.includes('account') || name === 'machine') return account;
  return name === 'on|off' ? 'on' : 'shop-production--web';
}
