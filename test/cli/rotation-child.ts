/**
 * A renewal in a process of its own, which dies by SIGKILL right after the step that is its second argument; of the
 * certificate that is narrowed to its third.
 */
import { createDebugLog } from '../../src/cli/debug-log.ts';
import { dpopNonce } from '../../src/cli/dpop-nonce.ts';
import { ensureCertificate } from '../../src/cli/ensure-certificate.ts';
import type { RotationStep } from '../../src/cli/rotate-pair.ts';
import { statePaths } from '../../src/cli/state-paths.ts';
import { createTerminal } from '../../src/cli/terminal.ts';

export type CrashAfter = RotationStep;

const [, , home, crashAfter, narrowedTo] = process.argv;
const [project = '', environment = ''] = narrowedTo?.split('/') ?? [];
const { stdout, stderr } = process;

await ensureCertificate(
  {
    environment: { home, passwdHome: home, program: { node: process.execPath, entry: '/nowhere' } },
    paths: statePaths(home),
    terminal: createTerminal({ stdout, stderr, colors: false }),
    debug: createDebugLog(false, stderr),
    nonce: dpopNonce(),
    machine: undefined,
    mayStepUp: false,
    wait: async () => {},
    now: () => new Date(),
    patienceMilliseconds: 15_000,
    openBrowser: async () => {},
    runProgram: async () => 0,
  },
  {
    force: true,
    ...(narrowedTo && { environment: { project, environment } }),
    onStep: (step) => {
      if (step === crashAfter) process.kill(process.pid, 'SIGKILL');
    },
  },
);
