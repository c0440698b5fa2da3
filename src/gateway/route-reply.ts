/**
 * What the program `route` is told to do: lines that a POSIX shell reads with `read -r`. The first names the kind, those
 * after it are `name value`; every value is of an alphabet in which nothing means anything to a shell or to ssh. Pure.
 */
import { SallyportError } from '../errors/sallyport-error.ts';

export type RouteReply =
  /** Printed on stderr; the session ends with status 1. */
  | { readonly kind: 'words'; readonly text: string }
  /** Ask POST /menu for every key. */
  | { readonly kind: 'menu' }
  /** The second leg: ssh to this target. */
  | ({ readonly kind: 'relay' } & RelayReply)
  /** On a host: the session itself. */
  | ({ readonly kind: 'run' } & RunReply);

export interface RelayReply {
  readonly address: string;
  readonly port: number;
  readonly login: string;
  /** The host's name in its certificate (HostKeyAlias). */
  readonly alias: string;
  readonly knownHosts: string;
  /** Socket of the ssh-agent that holds this session's key. */
  readonly agent: string;
  /** A subsystem instead of a command. */
  readonly subsystem: 'sftp' | null;
  /** A shell, whatever the client sent as its command: that named the target. */
  readonly shell: boolean;
  /** Whether the person's own agent goes along. */
  readonly forwardAgent: boolean;
  /** Ports of this machine's loopback on which the connection listens for the person (-R). */
  readonly remotePorts: readonly number[];
  /** Shown before a shell on a terminal: printable ASCII. */
  readonly welcome: readonly string[];
}

export interface RunReply {
  /** Where a shell starts; null: where sshd starts it. */
  readonly folder: string | null;
  /** A file of NAME=value lines. */
  readonly environment: string | null;
  /** Shown before a shell on a terminal: printable ASCII. */
  readonly welcome: readonly string[];
}

/** A value that is one word for every shell, and no option for any program. */
const plainValue = /^[A-Za-z0-9/[:][A-Za-z0-9._:/@+[\]-]*$/;

export function routeReply(reply: RouteReply): string {
  switch (reply.kind) {
    case 'words':
      return lines(['words', reply.text.replace(/\n$/, '')]);
    case 'menu':
      return lines(['menu']);
    case 'relay':
      return lines(['relay', ...relayLines(reply)]);
    case 'run':
      return lines(['run', ...runLines(reply)]);
  }
}

function relayLines(relay: RelayReply): string[] {
  return [
    plain('address', relay.address),
    plain('port', String(relay.port)),
    plain('login', relay.login, /^[a-z_][a-z0-9_-]*$/),
    plain('alias', relay.alias),
    plain('known_hosts', relay.knownHosts),
    plain('agent', relay.agent),
    ...(relay.subsystem === null ? [] : [`subsystem ${relay.subsystem}`]),
    ...(relay.shell ? ['shell yes'] : []),
    ...(relay.forwardAgent ? ['forward_agent yes'] : []),
    ...relay.remotePorts.map((port) => plain('remote_port', String(port))),
    ...welcomeLines(relay),
  ];
}

function runLines({ folder, environment, welcome }: RunReply): string[] {
  return [
    ...(folder === null ? [] : [plain('folder', folder)]),
    ...(environment === null ? [] : [plain('environment', environment)]),
    ...welcomeLines({ welcome }),
  ];
}

function welcomeLines({ welcome }: Pick<RunReply, 'welcome'>): string[] {
  return welcome.map((line) => `welcome ${line.replace(/[^ -~]/gu, '?')}`);
}

/** @throws request_malformed for what is not plain: nothing of the kind ever reaches a shell */
function plain(name: string, value: string, pattern = plainValue): string {
  if (pattern.test(value)) return `${name} ${value}`;
  throw new SallyportError(
    'request_malformed',
    `The ${name} of the target can't be used: it holds odd characters.`,
  );
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}
