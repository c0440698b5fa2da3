/** The log of a tunnel: readable by its owner alone, and never longer than twice its limit. */
import { closeSync, constants, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import type { TextSink } from '../environment.ts';
import { printableLines } from '../printable.ts';

const largestBytes = 256 * 1024;

/** Each line with its moment. What fails here is nobody's concern: the tunnel matters more than its log. */
export function tunnelLog(path: string, now: () => Date, limit = largestBytes): TextSink {
  return {
    write(text) {
      try {
        const lines = printableLines(text).map((line) => `${now().toISOString()} ${line}\n`);
        append(path, lines.join(''), limit);
      } catch {
        // the disk is full, or the tunnel was closed
      }
    },
  };
}

function append(path: string, text: string, limit: number): void {
  // O_NOFOLLOW: whatever was put there in its place.
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
  let file = openSync(path, flags, 0o600);
  try {
    if (fstatSync(file).size + text.length > limit) {
      closeSync(file);
      renameSync(path, `${path}.old`);
      file = openSync(path, flags, 0o600);
    }
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
}
