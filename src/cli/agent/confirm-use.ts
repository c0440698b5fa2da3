/** Asks the person before each use, as ssh-agent(1) does for keys that were added with -c. */
import { spawn } from 'node:child_process';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import type { HeldCertificate } from './held-certificates.ts';

export type Confirm = (about: HeldCertificate, user: string) => Promise<boolean>;

/** By the program that SSH_ASKPASS names, or else on the terminal. @throws settings_invalid if there is neither */
export function confirmUse({ environment, ask, debug }: SallyContext): Confirm {
  const program = environment.forPrograms?.['SSH_ASKPASS'];
  // One question after the other: a terminal and a person have room for one.
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = (question: () => Promise<boolean>): Promise<boolean> => {
    const mine = turn.then(question, question);
    turn = mine;
    return mine;
  };
  if (program) {
    const env = { ...environment.forPrograms, SSH_ASKPASS_PROMPT: 'confirm' };
    return (about, user) =>
      inTurn(() => agreed(program, questionOn(about, user), env, (text) => debug.say(text)));
  }
  if (ask) {
    return (about, user) =>
      inTurn(async () => (await ask(`${questionOn(about, user)} [y/N] `).catch(() => '')) === 'y');
  }
  throw new SallyportError(
    'settings_invalid',
    '--confirm needs a way to ask: set SSH_ASKPASS to a program such as /usr/bin/ssh-askpass, or run it in a terminal.',
  );
}

/** The user's name comes from whoever asks: only what may stand in one is shown. */
function questionOn({ account, machine }: HeldCertificate, user: string): string {
  const where = machine?.names[0] ?? 'a host that is not named';
  return `Log in as ${user.replace(/[^a-z0-9._@+-]/gi, '?').slice(0, 64)} at ${where} with the certificate of ${account}?`;
}

function agreed(
  program: string,
  question: string,
  env: NodeJS.ProcessEnv,
  say: (text: string) => void,
): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, [question], { env, stdio: 'ignore' });
    child.once('error', (error) => {
      say(`${program}: ${error.message}`);
      resolve(false);
    });
    child.once('close', (status) => resolve(status === 0));
  });
}
