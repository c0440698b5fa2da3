/** A switch to the profile of its second argument, in a process of its own that dies by SIGKILL after the step of its third. */
import { createDebugLog } from '../../src/cli/debug-log.ts';
import { dpopNonce } from '../../src/cli/dpop-nonce.ts';
import { type SwitchStep, switchProfile } from '../../src/cli/profiles/switch-profile.ts';
import { statePaths } from '../../src/cli/state-paths.ts';
import { createTerminal } from '../../src/cli/terminal.ts';

export type CrashAfter = SwitchStep;

const [, , home, profile, crashAfter] = process.argv;
const { stdout, stderr } = process;
const paths = statePaths(home, 'person', profile);

await switchProfile(
  {
    environment: { home, passwdHome: home, program: { node: process.execPath, entry: '/nowhere' } },
    paths,
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
  paths,
  (step) => {
    if (step === crashAfter) process.kill(process.pid, 'SIGKILL');
  },
);
