import type { Built } from './built.ts';
import type { ProxyVariables } from './network/proxy.ts';

/** Everything about the machine and the person that `sally` goes by; src/sally.ts reads it once. */
export interface SallyEnvironment {
  /** $HOME: `sally` keeps its state below it. */
  readonly home: string | undefined;
  /** The home folder in passwd, below which `ssh` looks for its config, whatever $HOME says. */
  readonly passwdHome: string | undefined;
  /** $SALLY_SERVER */
  readonly server?: string | undefined;
  /** $SALLY_PROFILE */
  readonly profile?: string | undefined;
  /** $SALLY_DEBUG */
  readonly debug?: boolean;
  /** $NO_COLOR (no-color.org) */
  readonly noColor?: boolean;
  /** Whether stdout is a terminal. */
  readonly isTerminal?: boolean;
  readonly stdinIsTerminal?: boolean;
  /** No browser could show a window here: a shell that came over SSH, or no display. */
  readonly headless?: boolean;
  /** Whether somebody sits at a terminal, who could log in in the middle of a command. */
  readonly personIsThere?: boolean;
  /** The folder that the person is in. */
  readonly folder?: string;
  /** What the environment says about proxies. */
  readonly proxies?: ProxyVariables;
  /** Which network this machine is in (network/network-key.ts). */
  readonly network?: string;
  /** Width of the terminal in characters. */
  readonly columns?: number;
  /** The same of the terminal that messages go to (stderr); absent or 0: there is none. */
  readonly messageColumns?: number;
  readonly version?: string;
  /** How this program came here, and who may tell it of newer ones. */
  readonly build?: BuildFacts;
  /** process.platform */
  readonly platform?: NodeJS.Platform;
  /** Where the system says whether it is in FIPS mode. */
  readonly fipsFile?: string;
  /** The machine's name, by which the person knows the session again. */
  readonly deviceName?: string;
  /** What `ssh` starts when the certificate needs renewing. */
  readonly program: { readonly node: string; readonly entry: string };
  /** What the environment brings to be a machine with; the first that is there counts. */
  readonly machine?: MachineVariables;
  /** For programs that `sally` starts: without the variables above. */
  readonly forPrograms?: NodeJS.ProcessEnv;
}

export interface BuildFacts extends Omit<Built, 'version'> {
  /** process.arch */
  readonly architecture: string;
}

export interface MachineVariables {
  /** $SALLY_TOKEN: an API token. */
  readonly apiToken?: string | undefined;
  /** $SALLY_ID_TOKEN: an OpenID Connect token of GitLab, Forgejo or another CI system. */
  readonly idToken?: string | undefined;
  /** $SALLY_ID_TOKEN_FILE: where one lies that is replaced from time to time, as Kubernetes does. */
  readonly idTokenFile?: string | undefined;
  /** $ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN: where a job of GitHub Actions gets one. */
  readonly request?: { readonly url: string; readonly token: string } | undefined;
  /** $SALLY_CI_RULE: which rule of the server is meant. */
  readonly rule?: string | undefined;
}

/** Where text goes: process.stdout, or a test's array. */
export interface TextSink {
  write(text: string): unknown;
}
