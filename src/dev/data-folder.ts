/** The folder that `sallyport dev` keeps its data in, taken by one process at a time. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { tryProcessLock } from '../files/process-lock.ts';
import { ensurePrivateFolder } from '../files/write-file.ts';

export interface DataFolder {
  readonly root: string;
  readonly database: string;
  readonly keys: string;
  readonly people: string;
  readonly gateway: string;
  readonly target: string;
  release(): void;
}

/** Opens (or makes) the folder and takes its lock. Throws in_use if another process has it. */
export async function openDataFolder(root: string): Promise<DataFolder> {
  await ensurePrivateFolder(root);
  const lock = tryProcessLock(join(root, 'lock'));
  const holder = join(root, 'pid');
  if (!lock) {
    throw new SallyportError(
      'in_use',
      `The data folder ${root} is in use by process ${readPid(holder)}. Stop that one, or give this one a folder of its own: npm start -- --data FOLDER --port PORT`,
    );
  }
  await writeFile(holder, `${process.pid}\n`, { mode: 0o600 });
  return {
    root,
    database: join(root, 'database'),
    keys: join(root, 'keys'),
    people: join(root, 'people.json'),
    gateway: join(root, 'gateway'),
    target: join(root, 'target'),
    release: () => lock.release(),
  };
}

function readPid(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '(unknown)';
  }
}
