/**
 * The demo, and alice with `sally` in this process, which runs ssh and the others for real; or, where the terminal or the
 * process counts, as the program that it is.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { inTransaction } from '../../../src/database/transaction.ts';
import { inventoryChanged } from '../../../src/inventory/inventory-changed.ts';
import { readStateVersion } from '../../../src/revocation/state-version.ts';
import { type Demo, type DemoPerson, startDemo } from '../demo-person.ts';
import { type SallyResult, sallyEntry } from '../person.ts';

export interface ProgramOptions {
  /** Of the programs that are run. */
  readonly environment?: Record<string, string>;
  readonly folder?: string;
  readonly stdin?: string | Buffer;
  /** More of what `sally` itself goes by. */
  readonly sally?: Record<string, unknown>;
}

type Changed = 'instances' | 'environments' | 'apps' | 'companions';

export class ReachWorld {
  /** Programs that were to go on without `sally`; none of them runs. */
  readonly inBackground: string[][] = [];
  readonly demo: Demo;
  readonly alice: DemoPerson;

  private constructor(demo: Demo, alice: DemoPerson) {
    this.demo = demo;
    this.alice = alice;
  }

  static async open(): Promise<ReachWorld> {
    const demo = await startDemo();
    const alice = demo.nextAdmin();
    await alice.login();
    return new ReachWorld(demo, alice);
  }

  get db() {
    return this.demo.dev.database.db;
  }

  get machines() {
    const { machines } = this.demo.dev;
    if (!machines) throw new Error('the demo has no machines');
    return machines;
  }

  /** `sally` in this process. */
  async sally(args: readonly string[], options: ProgramOptions = {}): Promise<SallyResult> {
    const { environment = {}, folder = this.alice.machine.home, stdin, sally = {} } = options;
    let [stdout, stderr] = ['', ''];
    const ended = await this.alice.sally(args, {
      // Another home than the system's: ssh is told where its config is.
      environment: { passwdHome: '/nonexistent', folder, forPrograms: this.#environment({}), ...sally },
      runProgram: async (run) => {
        if (run.inBackground) {
          this.inBackground.push([run.program, ...run.args]);
          return 0;
        }
        if (run.args.includes('-f')) {
          // It goes on in the background, and would hold what it had been given.
          const opening = spawn(run.program, run.args, {
            env: this.#environment(environment),
            stdio: 'ignore',
          });
          return (await once(opening, 'exit'))[0];
        }
        const child = spawn(run.program, run.args, {
          env: { ...this.#environment(environment), ...run.environment },
          cwd: folder,
          stdio: 'pipe',
        });
        child.stdin.on('error', () => {});
        if (run.stdin !== 'held') child.stdin.end(stdin ?? '');
        child.stderr.on('data', (text) => run.onStderr?.(Buffer.from(text)));
        const collected = collecting(child);
        const [code] = await once(child, 'close');
        stdout += collected.stdout();
        stderr += collected.stderr();
        return code;
      },
    });
    return { code: ended.code, stdout: ended.stdout + stdout, stderr: ended.stderr + stderr };
  }

  /** `sally` as a program. */
  async program(args: readonly string[], options: ProgramOptions = {}): Promise<SallyResult> {
    const child = this.start(args, options);
    const [code] = await once(child.process, 'close');
    return { code, stdout: child.stdout(), stderr: child.stderr() };
  }

  start(args: readonly string[], { environment = {}, folder, stdin }: ProgramOptions = {}) {
    const child = spawn(process.execPath, [sallyEntry, ...args], {
      env: this.#environment(environment),
      cwd: folder ?? this.alice.machine.home,
      stdio: 'pipe',
    });
    child.stdin.on('error', () => {});
    child.stdin.end(stdin ?? '');
    return collecting(child);
  }

  /** `sally` at a terminal. */
  atTerminal(args: readonly string[], folder?: string) {
    return this.#terminal([process.execPath, sallyEntry, ...args], folder);
  }

  /** Plain ssh at a terminal. */
  sshAtTerminal(...args: string[]) {
    return this.#terminal(['/usr/bin/ssh', '-F', this.alice.machine.paths.userConfig, ...args]);
  }

  #terminal(program: readonly string[], folder?: string) {
    const runner = join(import.meta.dirname, '..', '..', 'gateway', 'run-in-terminal.py');
    const child = spawn('/usr/bin/python3', [runner, ...program], {
      env: this.#environment({ TERM: 'xterm' }),
      cwd: folder ?? this.alice.machine.home,
      stdio: 'pipe',
    });
    return { ...collecting(child), type: (keys: string) => void child.stdin.write(keys) };
  }

  #environment(more: Record<string, string>): NodeJS.ProcessEnv {
    const { NODE_COMPILE_CACHE } = process.env;
    const home = this.alice.machine.home;
    return { HOME: home, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', NO_COLOR: '1', NODE_COMPILE_CACHE, ...more };
  }

  /** Changes rows of the inventory, and waits until the machines have heard of it. */
  async change(table: Changed, where: Record<string, string>, values: object): Promise<void> {
    await inTransaction(this.db, async (tx) => {
      let update = tx.updateTable(table).set(values as never);
      for (const [column, value] of Object.entries(where))
        update = update.where(column as never, '=', value as never);
      await update.execute();
      const { id } = await tx.selectFrom('organizations').select('id').executeTakeFirstOrThrow();
      await inventoryChanged(tx, { organizationId: id, change: 'changed by the test', name: table });
    });
    await this.untilHeard();
  }

  async untilHeard(): Promise<void> {
    const { version } = await readStateVersion(this.db);
    const { gateway, target } = this.machines;
    await vi.waitFor(
      () => {
        for (const { companion } of [gateway, target])
          expect(BigInt(companion.status().version ?? 0)).toBeGreaterThanOrEqual(version);
      },
      { timeout: 20_000 },
    );
  }

  async close(): Promise<void> {
    await this.demo.close();
  }
}

function collecting(child: ChildProcess) {
  let [stdout, stderr] = ['', ''];
  const looks = new Set<() => void>();
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    stdout += text;
    for (const look of looks) look();
  });
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    stderr += text;
    for (const look of looks) look();
  });
  const says = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(stdout + stderr)) return;
        looks.delete(look);
        resolve();
      };
      looks.add(look);
      child.once('close', () => reject(new Error(`it ended without ${pattern}:\n${stdout}${stderr}`)));
      look();
    });
  return { process: child, stdout: () => stdout, stderr: () => stderr, says };
}
