/** Everything about the machine and the person that `sally` goes by; src/sally.ts reads it once. */
export interface SallyEnvironment {
  /** $HOME: `sally` keeps its state below it. */
  readonly home: string | undefined;
  /** The home folder in passwd, below which `ssh` looks for its config, whatever $HOME says. */
  readonly passwdHome: string | undefined;
  /** $SALLY_SERVER */
  readonly server?: string | undefined;
  /** $SALLY_DEBUG */
  readonly debug?: boolean;
  /** $NO_COLOR (no-color.org) */
  readonly noColor?: boolean;
  /** Whether stdout is a terminal. */
  readonly isTerminal?: boolean;
  readonly stdinIsTerminal?: boolean;
  /** Width of the terminal in characters. */
  readonly columns?: number;
  readonly version?: string;
  /** The machine's name, by which the person knows the session again. */
  readonly deviceName?: string;
  /** What `ssh` starts when the certificate needs renewing. */
  readonly program: { readonly node: string; readonly entry: string };
}

/** Where text goes: process.stdout, or a test's array. */
export interface TextSink {
  write(text: string): unknown;
}
