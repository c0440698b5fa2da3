/** Holds whoever looks at processes, as one does that is being forked where the processor is wanted by many. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readAside } from '../../src/gateway/read-aside.ts';

export interface HeldLooks {
  /** They go on. Again: nothing. */
  release(): Promise<void>;
}

export function holdLooks(places = 3): HeldLooks {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-'));
  const pipes = Array.from({ length: places }, (_, index) => join(folder, `pipe-${index}`));
  spawnSync('/usr/bin/mkfifo', pipes);
  // Open for writing too: to open one end waits for the other.
  const files = pipes.map((pipe) => openSync(pipe, 'r+'));
  const looks = pipes.map(readAside);
  let isHeld = true;
  return {
    async release() {
      if (!isHeld) return;
      isHeld = false;
      for (const file of files) writeSync(file, 'x');
      await Promise.all(looks);
      for (const file of files) closeSync(file);
      rmSync(folder, { recursive: true });
    },
  };
}
