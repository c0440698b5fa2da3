/** The scripts of `sally completion` in the real shells; names of targets come from the ssh config, and nobody is asked. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Person } from '../person.ts';

const folder = mkdtempSync(join(tmpdir(), 'sally-completion-'));
const alice = new Person();
const script = (shell: string) => join(folder, `sally.${shell}`);

beforeAll(async () => {
  for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
    const { code, stdout } = await alice.sally(['completion', shell]);
    expect(code).toBe(0);
    writeFileSync(script(shell), stdout);
  }
  mkdirSync(join(alice.home, '.ssh', 'sallyport'), { recursive: true });
  const hosts = ['shop-production--web', 'shop-production--db', 'other--web', '$(touch evil)', '`id`'];
  const text = hosts.map((host) => `Host ${host}.sallyport\n  HostName x\n`).join('\n');
  writeFileSync(join(alice.home, '.ssh', 'sallyport', 'hosts.conf'), text);
});
afterAll(() => {
  alice.remove();
  rmSync(folder, { recursive: true, force: true });
});

function run(program: string, args: readonly string[]): string[] {
  const env = { HOME: alice.home, PATH: process.env['PATH'], TERM: 'dumb', XDG_CONFIG_HOME: alice.home };
  const output = execFileSync(program, args, { encoding: 'utf8', env, cwd: folder });
  return output.split(/\s+/).filter(Boolean).sort();
}

const quoted = (text: string) => `'${text}'`;

/** What a tab offers behind the words, of which the last is begun. */
const complete: Readonly<Record<string, (words: readonly string[]) => string[]>> = {
  bash: (words) =>
    run('bash', [
      '--norc',
      '-c',
      `source ${script('bash')}; COMP_WORDS=(${words.map(quoted).join(' ')}); COMP_CWORD=${words.length - 1}; _sally; printf '%s\\n' "\${COMPREPLY[@]}"`,
    ]),
  // compadd shows nothing outside of a terminal: here it prints what it is given, and zsh itself would compare.
  zsh: (words) =>
    run('zsh', [
      '-f',
      '-c',
      `compdef() { }; compadd() { shift; for word in "$@"; do [[ $word == "$PREFIX"* ]] && print -r -- "$word"; done; true; }
       source ${script('zsh')}; words=(${words.map(quoted).join(' ')}); CURRENT=${words.length}; PREFIX=${quoted(words.at(-1) ?? '')}; _sally`,
    ]),
  fish: (words) => {
    const lines = execFileSync(
      'fish',
      ['--no-config', '-c', `source ${script('fish')}; complete -C ${quoted(words.join(' '))}`],
      { encoding: 'utf8', env: { HOME: alice.home, PATH: process.env['PATH'], TERM: 'dumb' }, cwd: folder },
    );
    return lines
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split('\t')[0] ?? '')
      .sort();
  },
};

describe.each(['bash', 'zsh', 'fish'])('%s', (shell) => {
  const offered = (...words: string[]) => complete[shell]?.(['sally', ...words]);

  test('completes commands, and commands of commands', () => {
    expect(offered('log')).toEqual(['login', 'logout', 'logs']);
    expect(offered('admin', 'sessions', '')).toEqual(['list', 'revoke']);
  });

  test('completes options of that command alone', () => {
    expect(offered('whoami', '--j')).toEqual(['--json']);
    expect(offered('admin', 'sessions', 'revoke', '--b')).toEqual(['--before']);
  });

  test('completes targets without a server, and takes nothing from the file but names', () => {
    expect(offered('ssh', 'sh')).toEqual(['shop-production--db', 'shop-production--web']);
    expect(offered('explain', '')).toEqual(['other--web', 'shop-production--db', 'shop-production--web']);
  });

  test('knows which options take a value, and of which kind', () => {
    expect(offered('explain', '--role', 'c')).toEqual(['contributor']);
    expect(offered('ssh', '--app', 'web', 'other')).toEqual(['other--web']);
    expect(offered('completion', 'z')).toEqual(['zsh']);
  });
});

test('PowerShell is given the same facts', async () => {
  const { stdout } = await alice.sally(['completion', 'powershell']);
  expect(stdout).toContain("'sally admin sessions' = @{ Subs = @('list', 'revoke');");
  expect(stdout).toMatch(/'sally ssh' = @\{.*Operands = @\('@target', '-'\); Repeats = \$true \}/);
  expect(stdout.match(/@?\{/g)?.length).toBe(stdout.match(/\}/g)?.length);
});

test('refuses a shell that it does not know', async () => {
  const { code, stderr } = await alice.sally(['completion', 'tcsh']);
  expect(code).toBe(2);
  expect(stderr).toContain('bash, zsh, fish, powershell');
});
