/** What the tour's steps share: the running demo, the people, and the folder of what is kept. */
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbedded } from '../../database/open-embedded.ts';
import { readProcesses, readTitle } from '../../gateway/proc.ts';
import type { DemoMachine } from '../demo-machine.ts';
import { freePorts, type RunningDev, startDev } from '../start-dev.ts';
import { Person } from './person.ts';
import type { RunningProgram } from './programs.ts';

export interface Stage {
  readonly dev: RunningDev & {
    readonly machines: { readonly gateway: DemoMachine; readonly target: DemoMachine };
  };
  readonly alice: Person;
  readonly bob: Person;
  readonly carol: Person;
  loop: RunningProgram | undefined;
  master: RunningProgram | undefined;
  keepText(name: string, text: string): Promise<void>;
  keepFile(name: string, from: string): Promise<void>;
  /** Certificates, the CA's public key and sshd's logs. */
  keepEvidence(): Promise<void>;
  /** Command lines of processes in which `mark` stands. */
  leftOf(mark: string): string[];
  /** Ends whatever still runs and removes the temporary folder. */
  close(): Promise<void>;
}

/** @throws program_missing without OpenSSH's server, or what startDev throws */
export async function openStage(root: string, keepFolder: string | undefined): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-tour-'));
  const ports = await freePorts();
  const dev = await startDev({
    dataFolder: join(folder, 'data'),
    openDatabase: (folder) => openEmbedded({ folder }),
    publicUrl: new URL(`http://localhost:${ports.console}`),
    ports,
    ssh: 'required',
    logger: { level: 'silent' },
    machineLog: () => {},
  }).catch(async (error) => {
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  const { machines } = dev;
  if (!machines) throw new Error('unreachable: ssh was required');
  const person = (username: string) => {
    const password = dev.people.people.find((each) => each.username === username)?.password ?? '';
    const sallyEntry = join(root, 'src', 'sally.ts');
    return new Person({ username, password, home: join(folder, username), dev, sallyEntry });
  };
  const keepText = async (name: string, text: string) => {
    if (keepFolder === undefined) return;
    await mkdir(keepFolder, { recursive: true });
    await writeFile(join(keepFolder, name), text);
  };
  const stage: Stage = {
    dev: { ...dev, machines },
    alice: person('alice'),
    bob: person('bob'),
    carol: person('carol'),
    loop: undefined,
    master: undefined,
    keepText,
    async keepFile(name, from) {
      if (keepFolder === undefined) return;
      await mkdir(keepFolder, { recursive: true });
      await copyFile(from, join(keepFolder, name));
    },
    async keepEvidence() {
      await stage.keepFile('alice-cert.pub', await stage.alice.certificateFile());
      await keepText('user_ca.pub', await readFile(machines.gateway.paths.userAuthorities, 'utf8'));
      await stage.keepFile('sshd-gateway.log', machines.gateway.sshd.logFile);
      await stage.keepFile('sshd-target.log', machines.target.sshd.logFile);
    },
    leftOf: (mark) =>
      readProcesses()
        .map(({ pid }) => readTitle(pid))
        .filter((title) => title.includes(mark)),
    async close() {
      stage.loop?.kill();
      stage.master?.kill();
      await dev.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return stage;
}
