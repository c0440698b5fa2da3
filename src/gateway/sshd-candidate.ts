/** A new text of our configuration file, tried before it is put in place: sshd reads it as it will, from where nobody else does. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { writeFileAtomically } from '../files/write-file.ts';
import { askSshd, overruled, readLines } from './effective-configuration.ts';
import { runProgram } from './run-program.ts';
import type { SshdFiles } from './sshd-files.ts';

export interface Candidacy {
  readonly files: Pick<SshdFiles, 'sshd' | 'main' | 'ours'>;
  /** Private. */
  readonly folder: string;
  readonly kind: 'gateway' | 'host';
}

/** @throws install_failed with what sshd says, or with which of our lines would not count */
export async function checkCandidate({ files, folder, kind }: Candidacy, text: string): Promise<void> {
  const { sshd, main, ours } = files;
  const candidate = join(folder, 'candidate.conf');
  const whole = join(folder, 'candidate-whole.conf');
  try {
    await writeFileAtomically(candidate, text, { mode: 0o600 });
    if (main === ours) {
      await acceptedBySshd(sshd, candidate);
      return;
    }
    // The drop-in comes before the machine's own lines, as it will.
    await writeFileAtomically(whole, `Include ${candidate}\nInclude ${main}\n`, { mode: 0o600 });
    const machineLines = await readFile(main, 'utf8');
    if (!/^\s*Include\s+.*sshd_config\.d/im.test(machineLines) && !machineLines.includes(ours)) {
      throw new SallyportError(
        'install_failed',
        `${main} includes no drop-ins. Put this line at its top and install again: Include ${ours}\nThen run: sallyport ${kind} install`,
      );
    }
    await acceptedBySshd(sshd, whole);
    await requireInForce(sshd, whole, text);
  } finally {
    await rm(candidate, { force: true });
    await rm(whole, { force: true });
  }
}

/** @throws install_failed with what sshd says */
export async function acceptedBySshd(sshd: string, main: string): Promise<void> {
  const { status, stderr } = await runProgram(sshd, ['-t', '-f', main]);
  if (status === 0) return;
  throw new SallyportError(
    'install_failed',
    `sshd refuses the configuration; nothing is changed. It says:\n${stderr.trim()}`,
  );
}

/** The machine's files may have lines before ours, which then count instead. @throws install_failed */
export async function requireInForce(sshd: string, main: string, text: string): Promise<void> {
  const asked = await askSshd(sshd, main);
  const lost = 'refusal' in asked ? [] : overruled(text, readLines(asked.text));
  if (lost.length === 0) return;
  throw new SallyportError(
    'install_failed',
    `The machine's own sshd configuration overrules ${lost.join(', ')}. Remove these lines there and install again; nothing is changed.`,
  );
}
