/**
 * Replaces a file as the companion does, in a process of its own that strace ends or disturbs: FILE CONTENTS-FILE.
 * strace counts calls per thread. Files are written by the one thread of the pool (UV_THREADPOOL_SIZE=1), which first
 * makes so many calls of each kind that the main thread, which loads the program, never comes as far.
 */
import { open, readFile } from 'node:fs/promises';
import { writeFileAtomically } from '../../src/files/write-file.ts';

const [path = '', contentsFile = ''] = process.argv.slice(2);
const contents = await readFile(contentsFile);
for (let call = 0; call < 400; call++) {
  const nothing = await open('/dev/null', 'r+');
  await nothing.write('x');
  await nothing.close();
}
await writeFileAtomically(path, contents, { mode: 0o644 });
