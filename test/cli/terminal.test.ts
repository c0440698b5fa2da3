/** What is printed on a terminal: words stay whole, whatever its width; on none of them one fact is one line. */
import { describe, expect, test } from 'vitest';
import type { SallyContext } from '../../src/cli/context.ts';
import { printTable } from '../../src/cli/print-table.ts';
import {
  factLines,
  messageLines,
  tableLines,
  terminalColumns,
  wrappedLines,
} from '../../src/cli/terminal.ts';

const text = 'until tomorrow 06:55 (in 8 h), with a second factor (pwd, otp; your provider vouches)';

describe('text on a terminal', () => {
  test('is broken between words, and every line but the first stands under what it belongs to', () => {
    expect(
      factLines(
        [
          ['Account', 'alice@example.com'],
          ['Session', text],
        ],
        50,
      ),
    ).toEqual([
      'Account  alice@example.com',
      'Session  until tomorrow 06:55 (in 8 h), with a',
      '         second factor (pwd, otp; your provider',
      '         vouches)',
    ]);
  });

  test('has colors that take no room, and a word that is too long stays one', () => {
    const painted = `\x1b[1malice@example.com\x1b[22m aaaa`;
    expect(wrappedLines(painted, 22)).toEqual([painted]);
    expect(wrappedLines(`x ${'y'.repeat(40)} z`, 22)).toEqual(['x', 'y'.repeat(40), 'z']);
  });

  test('is one line where there is no terminal, or one of a few columns', () => {
    expect(terminalColumns({ isTerminal: false, columns: 80 })).toBe(0);
    expect(terminalColumns({ isTerminal: true, columns: 80 })).toBe(80);
    expect(factLines([['Session', text]])).toEqual([`Session  ${text}`]);
    expect(factLines([['Session', text]], 15)).toEqual([`Session  ${text}`]);
  });
});

describe('a message on a terminal', () => {
  test('is broken between words, and the command to type is not broken', () => {
    const message =
      'sally: nobody is logged in here, and ssh knows nothing. Run: sally login --mfa --max-age 900';
    expect(messageLines(message, 60)).toEqual([
      'sally: nobody is logged in here, and ssh knows nothing. Run:',
      'sally login --mfa --max-age 900',
    ]);
    expect(messageLines('To use it: SALLY_TOKEN=... sally ssh-config install', 40)).toEqual([
      'To use it:',
      'SALLY_TOKEN=... sally ssh-config install',
    ]);
    expect(messageLines('What it is: sally ls. It goes on with other words.', 30)).toEqual([
      'What it is: sally ls. It goes',
      'on with other words.',
    ]);
  });

  test('stays as it is where it fits, is set out already, or goes elsewhere', () => {
    const wide = `  ${'word '.repeat(20)}`;
    const row = `web  ${'word '.repeat(20)}`;
    expect(messageLines('a b c', 20)).toEqual(['a b c']);
    expect(messageLines(`${wide}\n${row}`, 40)).toEqual([wide, row]);
    expect(messageLines(text, 0)).toEqual([text]);
  });
});

describe('a table', () => {
  const head = ['NAME', 'TYPE', 'FINGERPRINT'];
  const rows = [
    ['gateway', 'ssh-ed25519', 'SHA256:aaaa'],
    ['g2', 'rsa', 'SHA256:bbbb'],
  ];

  test('that is wider than the terminal has its last columns below the others, and loses nothing', () => {
    expect(tableLines(head, rows, 24)).toEqual({
      head: ['NAME     TYPE', '  FINGERPRINT'],
      rows: ['gateway  ssh-ed25519', '  SHA256:aaaa', 'g2       rsa', '  SHA256:bbbb'],
    });
  });

  test('has a row in one line where that fits, and where there is no terminal', () => {
    const wide = ['gateway  ssh-ed25519  SHA256:aaaa', 'g2       rsa          SHA256:bbbb'];
    expect(tableLines(head, rows, 33).rows).toEqual(wide);
    expect(tableLines(head, rows).rows).toEqual(wide);
    expect(tableLines(head, rows, 32).rows).toHaveLength(4);
  });

  test('leaves out a column that it can do without before it takes a second line', () => {
    const printed: string[] = [];
    const terminal = { print: (line: string) => printed.push(line), bold: (line: string) => line };
    const context = { terminal, environment: { isTerminal: true, columns: 24 } } as unknown as SallyContext;
    printTable(context, head, rows, { spare: 'TYPE' });
    expect(printed).toEqual(['NAME     FINGERPRINT', 'gateway  SHA256:aaaa', 'g2       SHA256:bbbb']);
  });
});
