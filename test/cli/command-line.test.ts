/** Every command there is, whoever declared it: what its help must say, and what the others read out of the definitions. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { beforeAll, describe, expect, test } from 'vitest';
import { manualMarkdown, manualPage } from '../../build/manual.ts';
import { commandGroups, sallyCommands } from '../../src/cli/command-line/commands.ts';
import { describeCommand, visibleCommands } from '../../src/cli/command-line/describe.ts';

let said = '';
const sink = {
  write: (text: string) => {
    said += text;
  },
};
const environment = { columns: 80, home: '/', passwdHome: '/', program: { node: '', entry: '' } };
const settings = { environment, stdout: sink, stderr: sink };
const program = await sallyCommands(settings, async () => {});
const described = visibleCommands(describeCommand(program));

function helpOf(path: readonly string[]): string {
  const command = path
    .slice(1)
    .reduce<Command | undefined>(
      (above, name) => above?.commands.find((one) => one.name() === name),
      program,
    );
  said = '';
  command?.outputHelp();
  return said;
}

test('there are as many commands as one expects', () => {
  expect(described.length).toBeGreaterThan(80);
});

/** Of every command: what is wrong with it. */
const faults = (of: (command: (typeof described)[number]) => readonly string[]) =>
  described.flatMap((command) => of(command).map((fault) => `${command.path.join(' ')}: ${fault}`));

describe('every command', () => {
  test('says what it does, and what each argument and option is', () => {
    const silent = faults(({ description, arguments: operands, options }) => [
      ...(description === '' ? ['no description'] : []),
      ...operands.flatMap((one) => (one.description || one.choices.length > 0 ? [] : [one.term])),
      ...options.flatMap((one) => (one.description ? [] : [one.flags])),
    ]);
    expect(silent).toEqual([]);
  });

  test('has an example in its --help', () => {
    expect(faults(({ path }) => (/^Examples?:$/m.test(helpOf(path)) ? [] : ['no example']))).toEqual([]);
  });

  test('keeps to 80 columns', () => {
    expect(
      faults(({ path }) =>
        helpOf(path)
          .split('\n')
          .filter((line) => line.length > 80),
      ),
    ).toEqual([]);
  });

  test('that lists has --json', () => {
    const lists = described.filter(({ path }) => path.at(-1) === 'list' || path.at(-1) === 'ls');
    expect(lists.length).toBeGreaterThan(12);
    const without = lists.filter(({ options }) => !options.some(({ names }) => names.includes('--json')));
    expect(without.map(({ path }) => path.join(' '))).toEqual([]);
  });

  test('that asks before it acts has a flag instead: --yes', () => {
    const asking = ['remove-all', 'revoke', 'disable', 'apply', 'switch'];
    const found = described.filter(({ path }) => path[1] === 'admin' && asking.includes(path.at(-1) ?? ''));
    expect(found.length).toBeGreaterThan(3);
    const without = found.filter(({ options }) => !options.some(({ names }) => names.includes('--yes')));
    expect(without.map(({ path }) => path.join(' '))).toEqual([]);
  });
});

describe('help', () => {
  test('on a narrow screen what options and commands do is wrapped', async () => {
    const lines: string[] = [];
    const narrow = { write: (text: string) => lines.push(...text.split('\n')) };
    const small = await sallyCommands(
      { environment: { ...environment, columns: 60 }, stdout: narrow, stderr: narrow },
      async () => {},
    );
    small.outputHelp();
    const commands = lines.slice(lines.indexOf('Your login:'), lines.indexOf('Examples:'));
    expect(commands.length).toBeGreaterThan(20);
    expect(commands.filter((line) => line.length > 60)).toEqual([]);
  });
});

describe('who mistypes', () => {
  test.each([
    [['completion'], '(sally completion --help tells how it is used)'],
    [['admin', 'inventory', 'list'], '(sally admin inventory list --help tells how it is used)'],
    [['ls', '--nosuch'], '(sally ls --help tells how it is used)'],
    [['admin', 'nosuch'], '(sally admin --help lists its commands)'],
    [['nosuch'], '(sally --help lists the commands)'],
  ])('%j is told where that very command is explained', async (argv, hint) => {
    said = '';
    const mistyped = await sallyCommands({ ...settings, argv }, async () => {});
    await expect(mistyped.parseAsync(argv, { from: 'user' })).rejects.toThrow();
    expect(said).toContain(hint);
  });
});

describe('a group of commands', () => {
  test.each(commandGroups.map(({ names }, at) => ({ at, names })))(
    'declares $names',
    async ({ at, names }) => {
      const alone = await sallyCommands({ ...settings, argv: [names[0] ?? ''] }, async () => {});
      const declared = alone.commands.map((command) => command.name());
      // "completion" needs all of them, so it is in no list.
      expect(declared.filter((name) => name !== 'completion').sort()).toEqual([...names].sort());
      expect(commandGroups[at]?.names).toBe(names);
    },
  );
});

describe('what is made of the definitions', () => {
  let page: string;
  beforeAll(async () => {
    page = await manualMarkdown();
  });

  test.each([
    ['docs/sally.md', () => page],
    ['deploy/man/sally.1', () => manualPage()],
  ])('%s is as they say now: else run npm run docs', async (file, made) => {
    expect(readFileSync(join(import.meta.dirname, '..', '..', file), 'utf8')).toBe(await made());
  });

  test('names every command, exit code and variable', () => {
    for (const { path } of described.slice(1)) expect(page).toContain(`\`${path.join(' ')}\``);
    for (const word of ['SALLY_SERVER', 'NO_COLOR', '| 7 |']) expect(page).toContain(word);
  });
});
