/** How a session on a host begins: the compiled program and the script that stands in for it do the same to the letter. */
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isProgram } from '../../src/gateway/programs.ts';
import { findSftpServer, sessionCommand } from '../../src/gateway/session-command.ts';
import { installSessionProgram, sessionProgramIn } from '../../src/gateway/session-program.ts';
import { writeRouteProgram } from '../../src/gateway/write-route-program.ts';
import { hasTerminals } from './terminal.ts';

const hasCompiler = isProgram('/usr/bin/cc');
const hasCurl = isProgram('/usr/bin/curl');
const onTerminal = fileURLToPath(new URL('run-in-terminal.py', import.meta.url));

let folder: string;
let server: Server;
let asked: URLSearchParams[] = [];
let answer = 'run\n';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  if (hasCompiler) await installSessionProgram({ folder });
  const programs = { curl: '/usr/bin/curl', sshKeygen: '/usr/bin/ssh-keygen' };
  await writeRouteProgram({ path: join(folder, 'route'), socket: socket(), programs, askProgram: null });
  server = createServer((request, response) => {
    let form = '';
    request.on('data', (chunk) => {
      form += chunk;
    });
    request.once('end', () => {
      asked.push(new URLSearchParams(form));
      response.writeHead(200, { 'content-length': Buffer.byteLength(answer) }).end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(socket(), resolve));
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  asked = [];
  answer = 'run\n';
});

const socket = () => join(folder, 'route.sock');

interface Session {
  /** What the client wants to run; undefined: a shell. */
  readonly command?: string;
  readonly typed?: string;
  readonly shell?: string;
  readonly isTerminal?: boolean;
  readonly socketPath?: string;
  /** Its input ends when something came back, as a client's does. */
  readonly converses?: boolean;
}

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe.each([
  ['compiled', hasCompiler],
  ['script', hasCurl],
] as const)('a session by the %s', (kind, isThere) => {
  async function run(session: Session): Promise<Ran> {
    const { command, typed = '', shell = '/bin/sh', isTerminal = false } = session;
    const words = sessionCommand({
      kind: 'host',
      routeProgram: join(folder, 'route'),
      routeSocket: session.socketPath ?? socket(),
      sessionProgram: kind === 'compiled' ? sessionProgramIn(folder) : null,
    });
    const [program = '', ...args] = isTerminal
      ? ['/usr/bin/python3', onTerminal, ...words, 'ab12']
      : [...words, 'ab12'];
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        PATH: '/usr/bin:/bin',
        HOME: folder,
        SHELL: shell,
        PS1: '$ ',
        ...(command === undefined ? {} : { SSH_ORIGINAL_COMMAND: command }),
      },
    });
    const told = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => {
      told.stdout += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      told.stderr += chunk;
    });
    // A session that is refused reads nothing.
    child.stdin.on('error', () => {});
    child.stdin.write(typed);
    if (session.converses) child.stdout.once('data', () => child.stdin.end());
    else child.stdin.end();
    const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { status, ...told };
  }

  describe.skipIf(!isThere)('(needs cc or curl)', () => {
    test('asks with its ticket, with what is wanted, and whether there is a terminal', async () => {
      await run({ command: 'echo "$(id)"\n' });
      const [form] = asked;
      expect([form?.get('ticket'), form?.get('asked'), form?.get('terminal')]).toEqual(
        ['ab12', 'echo "$(id)"', 'no'].map((value, at) =>
          at === 1 && kind === 'compiled' ? `${value}\n` : value,
        ),
      );
    });

    test('tells no more than the beginning of a long command', async () => {
      await run({ command: `: ${'x'.repeat(100_000)}` });
      expect(asked[0]?.get('asked')).toHaveLength(200);
    });

    test.each([
      ['ends by itself', 'exit 7', 7],
      ['succeeds', 'true', 0],
      ['is ended by a signal', 'kill -KILL $$', 137],
      ['is ended by another', 'kill -TERM $$', 143],
      ['is none', 'no-such-command-here', 127],
    ])('has the status of a command that %s', async (_, command, status) => {
      expect((await run({ command })).status).toBe(status);
    });

    test('hands its command to the shell as one argument, and its input and output through', async () => {
      const ran = await run({ command: `cat; printf '%s' 'a  "b" $(id)'; echo err >&2`, typed: 'typed\n' });
      expect(ran).toEqual({ status: 0, stdout: 'typed\na  "b" $(id)', stderr: 'err\n' });
    });

    test('leaves no variable of the way it came', async () => {
      expect((await run({ command: 'printenv SSH_ORIGINAL_COMMAND || echo none' })).stdout).toBe('none\n');
    });

    test('begins with no signal ignored or blocked', async () => {
      const ran = await run({ command: 'grep -E "^Sig(Ign|Blk)" /proc/self/status' });
      expect(ran.stdout).toMatch(/SigBlk:\t0+\nSigIgn:\t0+\n/);
    });

    test('gives a command the application’s environment, unevaluated and without what shells trip over', async () => {
      const file = join(folder, 'env');
      await writeFile(
        file,
        [
          '# NAME=comment',
          'NAME=value',
          'SPACED="a  b"',
          "SINGLE='$(id)'",
          'HALF="x',
          'QUOTE="',
          'RAW=$(id);`id`|\\',
          'EMPTY=',
          'EQUALS=a=b',
          'PPID=1',
          'BASH_ENV=/tmp/x',
          '1BAD=1',
          'bad-name=1',
          ' LEADING=1',
          'SHELL=/bin/false',
          'no line',
          'LAST=without an end of line',
        ].join('\n'),
      );
      answer = `run\nenvironment ${file}\n`;
      const names = 'NAME SPACED SINGLE HALF QUOTE RAW EMPTY EQUALS BASH_ENV LEADING SHELL LAST';
      const ran = await run({
        command: `for one in ${names}; do eval "printf '%s=%s\\n' $one \\"\\\${$one-unset}\\""; done`,
      });
      expect(ran).toEqual({
        status: 0,
        stderr: '',
        stdout: [
          'NAME=value',
          'SPACED=a  b',
          'SINGLE=$(id)',
          'HALF="x',
          'QUOTE="',
          'RAW=$(id);`id`|\\',
          'EMPTY=',
          'EQUALS=a=b',
          'BASH_ENV=unset',
          'LEADING=unset',
          'SHELL=/bin/false',
          'LAST=without an end of line',
          '',
        ].join('\n'),
      });
    });

    test.each([
      'scp -t /tmp',
      'scp -pf x',
      'rsync --server .',
      "git-upload-pack 'x'",
      "git-receive-pack 'x'",
      'git-upload-archive x',
      '/usr/lib/openssh/sftp-server',
      '/usr/lib/sftp-server -l INFO',
    ])('gives %j, which copies files, no environment', async (command) => {
      const shell = join(folder, 'shell');
      await writeFile(shell, '#!/bin/sh\nprintf "%s|%s|%s|%s\\n" "$#" "$1" "$2" "$NAME"\n');
      await chmod(shell, 0o755);
      await writeFile(join(folder, 'env'), 'NAME=value\n');
      answer = `run\nenvironment ${join(folder, 'env')}\n`;
      expect((await run({ command, shell })).stdout).toBe(`2|-c|${command}|\n`);
    });

    test('gives what only looks like it the environment', async () => {
      await writeFile(join(folder, 'env'), 'NAME=value\n');
      answer = `run\nenvironment ${join(folder, 'env')}\n`;
      for (const prefix of ['scp-', 'rsync --serve', 'git-upload-pack;', 'sftp-server', 'internal-sftpx']) {
        const ran = await run({ command: `${prefix} 2>/dev/null; echo "$NAME"` });
        expect(ran.stdout).toBe('value\n');
      }
    });

    test.skipIf(findSftpServer() === undefined)('serves sftp by the machine’s own server', async () => {
      // SSH_FXP_INIT of version 3, and SSH_FXP_VERSION for it (draft-ietf-secsh-filexfer-02 section 4).
      const init = '\0\0\0\x05\x01\0\0\0\x03';
      for (const command of ['internal-sftp', 'internal-sftp  -l ERROR']) {
        const ran = await run({ command, typed: init, converses: true });
        expect(ran.stdout.slice(4, 9)).toBe('\x02\0\0\0\x03');
      }
    });

    test('begins a shell as a login shell, in the application’s folder', async () => {
      const inside = join(folder, 'current');
      await mkdir(inside, { recursive: true });
      await writeFile(join(folder, '.profile'), 'FROM_PROFILE=yes\n');
      answer = `run\nfolder ${inside}\nwelcome never without a terminal\n`;
      const ran = await run({ typed: 'pwd; echo "$FROM_PROFILE"\n' });
      expect(ran.stdout).toBe(`${inside}\nyes\n`);
    });

    test('runs a command where it is, whatever the folder', async () => {
      answer = 'run\nfolder /proc\n';
      expect((await run({ command: 'pwd' })).stdout).toBe(`${process.cwd()}\n`);
    });

    test('ends with the words of a refusal', async () => {
      answer = 'words\nNot today.\nTry again.\n';
      expect(await run({ command: 'echo no' })).toEqual({
        status: 1,
        stdout: '',
        stderr: 'Not today.\nTry again.\n',
      });
    });

    test.each(['', 'running\n', 'relays\n', 'folder /\nrun\n'])(
      'runs nothing on the answer %j',
      async (odd) => {
        answer = odd;
        const ran = await run({ command: 'echo no' });
        expect([ran.status, ran.stdout]).toEqual([1, '']);
        expect(ran.stderr).toContain("Sallyport's companion on this machine");
      },
    );

    test('runs nothing where the companion is not there', async () => {
      if (kind === 'script') return;
      const ran = await run({ command: 'echo no', socketPath: join(folder, 'nobody.sock') });
      expect([ran.status, ran.stdout]).toEqual([1, '']);
      expect(ran.stderr).toContain('does not answer');
    });

    test.skipIf(!hasTerminals)('shows its words on a terminal, before a shell only', async () => {
      const file = join(folder, 'not-there');
      answer = `run\nfolder /proc/none\nenvironment ${file}\nwelcome one / two\nwelcome \nwelcome three\n`;
      const shown = await run({ isTerminal: true, typed: 'exit 3\n' });
      const text = shown.stdout.replaceAll('\r\n', '\n');
      expect(text).toContain(
        `one / two\n\nthree\nThe folder /proc/none can't be entered.\nThe environment in ${file} can't be read.\n`,
      );
      expect(asked[0]?.get('terminal')).toBe('yes');
      expect((await run({ isTerminal: true, command: 'echo here' })).stdout).toBe('\r\nhere\r\n');
    });

    test.skipIf(!hasTerminals)('leaves Ctrl-C to the command, and tells how it ended', async () => {
      const ran = await run({
        isTerminal: true,
        command: 'trap "echo caught; exit 5" INT; echo ready; kill -INT 0; sleep 5',
      });
      expect([ran.status, ran.stdout.replaceAll('\r\n', '\n')]).toEqual([5, '\nready\ncaught\n']);
    });
  });
});

describe.skipIf(!hasCompiler)('installing the program (needs cc)', () => {
  test('refuses a given one that lets everybody in', async () => {
    const given = join(folder, 'liar');
    await writeFile(given, '#!/bin/sh\nexec /bin/sh -l\n');
    await chmod(given, 0o755);
    await expect(installSessionProgram({ folder: join(folder, 'lied'), given })).rejects.toMatchObject({
      code: 'file_refused',
    });
  });

  test('takes an earlier one away where it can’t build its own', async () => {
    const where = join(folder, 'earlier');
    await installSessionProgram({ folder: where });
    await installSessionProgram({ folder: where, isThere: () => false });
    expect(isProgram(sessionProgramIn(where))).toBe(false);
  });
});
