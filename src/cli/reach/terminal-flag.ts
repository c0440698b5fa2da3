/**
 * Whether ssh asks for a terminal at the other end, as people know it from `cf ssh`: without -t only for a shell, with -t
 * where standard input is one, with -tt in any case, with -T never. Pure.
 */
export interface TerminalWish {
  /** How often -t was given. */
  readonly wanted: number;
  /** -T */
  readonly unwanted: boolean;
  readonly hasCommand: boolean;
  readonly stdinIsTerminal: boolean;
}

export type TerminalFlag = '-t' | '-tt' | '-T';

export function terminalFlag({ wanted, unwanted, hasCommand, stdinIsTerminal }: TerminalWish): TerminalFlag {
  if (unwanted) return '-T';
  if (wanted >= 2) return '-tt';
  const isAsked = wanted === 1 || !hasCommand;
  // -T where ssh would not ask for one either, but warn.
  return isAsked && stdinIsTerminal ? '-t' : '-T';
}
