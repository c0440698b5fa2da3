/** What is printed on a terminal: words stay whole, whatever its width; on none of them one fact is one line. */
import { describe, expect, test } from 'vitest';
import { factLines, terminalColumns, wrappedLines } from '../../src/cli/terminal.ts';

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
