/**
 * What is written on Windows, as text: none of it has been run there. The ssh of this machine reads the config, and finds
 * what it names below the home folder of passwd, as Windows's own and that of Git for Windows do.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { byHandText } from '../../src/cli/by-hand-text.ts';
import { freshCmdText, isMachineCmdText } from '../../src/cli/fresh-cmd.ts';
import { hostsText, includeLine, sallyportConfigText } from '../../src/cli/ssh-config-text.ts';
import { configPath, configProgram } from '../../src/cli/ssh-config-value.ts';
import { type StatePaths, statePaths } from '../../src/cli/state-paths.ts';
import { optionsOf, Person, run } from './person.ts';
import { ServerDouble } from './server-double.ts';

const folder = mkdtempSync(join(tmpdir(), 'sally-windows-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As on Windows, where the home folder is `C:\Users\Alice Smith`. */
const paths = Object.fromEntries(
  Object.entries(statePaths('/Users/Alice Smith')).map(([name, value]) => [
    name,
    value.startsWith('/') ? `C:${value}` : value,
  ]),
) as unknown as StatePaths;
const program = { node: 'C:\\Program Files\\node.exe', entry: 'C:\\Users\\Alice Smith\\100%\\sally.mjs' };

test('[seeds 57] names every file from the home folder, with the slashes that each ssh takes', () => {
  expect(includeLine(paths)).toBe('Include "~/.ssh/sallyport/config"');
  expect(configPath('C:\\Users\\Alice Smith\\.ssh\\sallyport\\pairs\\x')).toBe('"~/.ssh/sallyport/pairs/x"');
  const texts = [
    sallyportConfigText(paths),
    hostsText(new ServerDouble().configuration),
    byHandText(new ServerDouble().configuration, paths),
  ];
  const withoutPrograms = texts.join('').replaceAll(/exec "[^"]*"/g, '');
  expect(withoutPrograms).not.toMatch(/[A-Za-z]:[\\/]|\\/);
  const config = join(folder, 'config');
  // This machine's shell has no C: drive; the programs are not what this is about.
  writeFileSync(config, (texts[0] ?? '').replaceAll(/exec "[^"]*"/g, 'exec "true"'));
  const { code, stdout, stderr } = run('ssh', ['-T', '-G', '-F', config, 'shop-production--web.sallyport']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(optionsOf(stdout).get('userknownhostsfile')).toEqual([
    join(userInfo().homedir, '.ssh/sallyport/known_hosts'),
  ]);
  const verbose = run('ssh', ['-v', '-G', '-F', config, 'x.sallyport']).stderr;
  expect(verbose).toContain('include ~/.ssh/sallyport/hosts.conf matched');
});

test('[seeds 57] runs a file for cmd, with nothing but words', () => {
  expect(configProgram(paths.fresh, 'shop/lab')).toBe(
    '"C:\\Users\\Alice Smith\\.ssh\\sallyport\\fresh.cmd shop/lab"',
  );
});

test('has a fast path for cmd that goes by the same files', () => {
  const text = freshCmdText(paths, program);
  expect(text).toMatch(/^@echo off\r\n/);
  expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  expect(text).toContain('set "state=C:\\Users\\Alice Smith\\.ssh\\sallyport"\r\n');
  expect(text).toContain(
    '"C:\\Program Files\\node.exe" "C:\\Users\\Alice Smith\\100%%\\sally.mjs" cert ensure --quiet --home "C:\\Users\\Alice Smith" %wanted% <nul >nul 2>nul\r\n',
  );
  // As the one for sh: ssh takes the person's identity unless it ends with 0.
  expect(text).toMatch(
    /set "answer=1"\r\n[\s\S]*if defined machine set "answer=0"\r\n[\s\S]*exit \/b %answer%\r\n$/,
  );
  expect(text).not.toMatch(/exit \/b [0-9]/);
  for (const name of ['renew-after', 'identity.conf']) expect(text).toContain(`%state%\\${name}`);
  expect(isMachineCmdText()).toMatch(/if defined SALLY_TOKEN exit \/b 0\r\n[\s\S]*exit \/b 1\r\n$/);
});

test('installs it there, beside the one for sh, and takes it away again', async () => {
  const server = new ServerDouble();
  await server.start();
  const alice = new Person();
  const on = { environment: { platform: 'win32' } };
  const files = ['fresh', 'isMachine', 'stepUp'] as const;
  const there = () => files.map((name) => alice.has(`${alice.paths[name]}.cmd`));
  await alice.login(server.url);
  expect(there()).toEqual([false, false, false]);
  await alice.sally(['ssh-config', 'install'], on);
  expect(there()).toEqual([true, true, true]);
  await alice.sally(['ssh-config', 'uninstall'], on);
  expect(there()).toEqual([false, false, false]);
  alice.remove();
  await server.stop();
});
