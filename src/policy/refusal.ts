/**
 * A refusal as SSH shows it: lines of "Word: text" that people read and clients parse, as on platforms that people know.
 * Printable ASCII only: it is written to terminals, and names in it may come from anybody.
 */
import { helpfulCommand, type LoginParameters, type Reasons } from './reasons.ts';

export interface Refusal {
  /** What the person wanted: a target name. */
  readonly service: string;
  /** Who wanted it: an account name. */
  readonly user: string;
  readonly reasons: Reasons;
}

/**
 * The lines, each with its end. `Parameters:` and `Run:` are there only if a new login would get the person in: never
 * send somebody through a second factor into the next refusal.
 */
export function refusalText({ service, user, reasons }: Refusal): string {
  const command = helpfulCommand(reasons);
  const parameters = command === null ? undefined : loginParameters(reasons);
  const lines = [
    ['Error', 'Access denied'],
    ['Service', service],
    ['User', user],
    ['Parameters', parameters && JSON.stringify(parameters)],
    ['Detail', reasons.map(({ message }) => message).join(' ')],
    ['Run', command],
  ];
  return lines
    .filter(([, text]) => text)
    .map(([word, text]) => `${word}: ${printable(text ?? '')}\n`)
    .join('');
}

/** What a login must bring: all that the reasons ask for together. */
function loginParameters(reasons: Reasons): LoginParameters | undefined {
  const asked = reasons.map(({ parameters }) => parameters).filter((found) => found !== undefined);
  return asked.length > 0 ? Object.assign({}, ...asked) : undefined;
}

/** Line ends, escape sequences and everything beyond ASCII become visible: "\u{1b}". */
function printable(text: string): string {
  return text.replace(/[^ -~]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
