/**
 * What ssh and the gateway have said on stderr, as one of a closed set of failures. Pure. The words are OpenSSH's own (of
 * 7.3 to 10.x), and those of a gateway's refusal (policy/refusal.ts). Whatever runs at the other end may write the same
 * words, so nothing of them is ever run, or taken for more than a reason to say a line.
 */
import { printable } from '../printable.ts';

export type SshFailure =
  /** A stronger login would get the person in. `maxAge`: seconds, absent where any age will do. */
  | { readonly kind: 'second-factor'; readonly maxAge?: number; readonly detail: string }
  /** The login session was ended, has expired, or its certificate was revoked: nothing but a login helps. */
  | { readonly kind: 'session-over'; readonly detail: string }
  /** The gateway knows who it is, and says why not. */
  | { readonly kind: 'denied'; readonly detail: string }
  /** The gateway cannot ask the certificate authority now. */
  | { readonly kind: 'unavailable'; readonly detail: string }
  /** sshd took no key: revoked, expired, unknown to it, or its companion is away. */
  | { readonly kind: 'key-refused' }
  | { readonly kind: 'unreachable'; readonly why: Unreachable; readonly place?: Place }
  /** Connected, and closed before anybody said who they are. */
  | { readonly kind: 'turned-away' }
  | { readonly kind: 'host-key'; readonly why: HostKeyFault }
  /** A jump that the gateway did not open. */
  | { readonly kind: 'jump-refused' }
  /** The gateway opens the jump, and nothing answers there. */
  | { readonly kind: 'target-unreachable'; readonly why: Unreachable }
  /** A local port of a forwarding is somebody else's. */
  | { readonly kind: 'port-taken'; readonly port?: number }
  /** It was up. */
  | { readonly kind: 'connection-lost' }
  /** The person's own files. */
  | { readonly kind: 'configuration' | 'key-file' };

export type Unreachable = 'refused' | 'timeout' | 'no-route' | 'name' | 'other';
export type HostKeyFault =
  | 'changed'
  | 'unknown'
  | 'not-yet-valid'
  | 'expired'
  | 'other-name'
  | 'no-certificate'
  | 'revoked';

export interface Place {
  readonly address: string;
  readonly port: number;
}

type Reader = (text: string) => SshFailure | undefined;

/** The first that finds itself is it: what names the cause stands before what every failure ends with. */
const readers: readonly Reader[] = [
  readGatewayRefusal,
  readEnding,
  readOwnFiles,
  readHostKey,
  readForwarding,
  readUnreachable,
  readJump,
  readKeyRefusal,
  readTurnedAway,
  readLoss,
];

/** @returns undefined if nothing there is known for a failure of the connection */
export function readRefusal(stderr: string): SshFailure | undefined {
  const text = stderr.replaceAll('\r', '');
  for (const read of readers) {
    const found = read(text);
    if (found) return found;
  }
  return undefined;
}

/** Lines "Word: text", the first of which says that it is a refusal. The last one counts: a jump may meet two gateways. */
function readGatewayRefusal(text: string): SshFailure | undefined {
  const blocks = [
    ...text.matchAll(/^Error: (Access denied|Not available right now)\n((?:[A-Z][a-z]+: .*(?:\n|$))+)/gm),
  ];
  const [, error, body = ''] = blocks.at(-1) ?? [];
  if (error === undefined) return undefined;
  const lines = new Map(body.split('\n').map((line) => splitLine(line)));
  const detail = printable(lines.get('Detail') ?? '');
  if (!lines.has('Service') || !lines.has('User')) return undefined;
  if (error !== 'Access denied') return { kind: 'unavailable', detail };
  const wanted = loginParameters(lines.get('Parameters'));
  if (wanted) return { kind: 'second-factor', ...wanted, detail };
  return { kind: lines.get('Run') === 'sally login' ? 'session-over' : 'denied', detail };
}

function splitLine(line: string): [string, string] {
  const at = line.indexOf(': ');
  return [line.slice(0, at), line.slice(at + 2)];
}

/** `{"amr":["mfa"],"max_age":900}`; another request is none that a login here could meet. */
function loginParameters(text: string | undefined): { maxAge?: number } | undefined {
  try {
    const { amr, max_age } = JSON.parse(text ?? '');
    if (!Array.isArray(amr) || !amr.includes('mfa')) return undefined;
    return Number.isSafeInteger(max_age) && max_age >= 0 ? { maxAge: max_age } : {};
  } catch {
    return undefined;
  }
}

/** What a gateway writes on the terminal of a connection that it ends (gateway/end-words.ts). */
function readEnding(text: string): SshFailure | undefined {
  const [, words] = /^Connection ended: (.*)$/m.exec(text) ?? [];
  if (words === undefined) return undefined;
  const detail = printable(words);
  if (/^Your (login session was ended|certificate was revoked)\./.test(words))
    return { kind: 'session-over', detail };
  if (words.startsWith('Your second factor ')) return { kind: 'second-factor', detail };
  return words.startsWith('Your ') ? { kind: 'denied', detail } : { kind: 'connection-lost' };
}

function readOwnFiles(text: string): SshFailure | undefined {
  if (
    /^.*(: Bad configuration option|Bad owner or permissions on |terminating, \d+ bad configuration)/m.test(
      text,
    )
  ) {
    return { kind: 'configuration' };
  }
  return /UNPROTECTED PRIVATE KEY FILE|^Load key .*(bad permissions|Permission denied)/m.test(text)
    ? { kind: 'key-file' }
    : undefined;
}

const hostKeyFaults: readonly (readonly [RegExp, HostKeyFault])[] = [
  [/^(error: )?Certificate invalid: not yet valid/m, 'not-yet-valid'],
  [/^(error: )?Certificate invalid: expired/m, 'expired'],
  [/^(error: )?Certificate invalid: name is not a listed principal/m, 'other-name'],
  [/REMOTE HOST IDENTIFICATION HAS CHANGED/, 'changed'],
  [/REVOKED HOST KEY DETECTED|host (certificate|key) .*revoked/i, 'revoked'],
  [/no matching host key type found/, 'no-certificate'],
  [/^No .* host key is known for |^Host key verification failed\.$/m, 'unknown'],
];

function readHostKey(text: string): SshFailure | undefined {
  const found = hostKeyFaults.find(([pattern]) => pattern.test(text));
  return found && { kind: 'host-key', why: found[1] };
}

function readForwarding(text: string): SshFailure | undefined {
  const [, port] = /^bind \[?[^\]\n]*\]?:(\d{1,5}): Address already in use$/m.exec(text) ?? [];
  if (port !== undefined) return { kind: 'port-taken', port: Number(port) };
  return /^(channel_setup_fwd_listener_tcpip: cannot listen to port|Could not request local forwarding)/m.test(
    text,
  )
    ? { kind: 'port-taken' }
    : undefined;
}

const unreachable: readonly (readonly [RegExp, Unreachable])[] = [
  [/refused/i, 'refused'],
  [/timed out/i, 'timeout'],
  [/no route|unreachable|is down/i, 'no-route'],
  [/resolve|not known|name or service/i, 'name'],
];

function whyUnreachable(text: string): Unreachable {
  return unreachable.find(([pattern]) => pattern.test(text))?.[1] ?? 'other';
}

function readUnreachable(text: string): SshFailure | undefined {
  if (/^ssh: Could not resolve hostname /m.test(text)) return { kind: 'unreachable', why: 'name' };
  if (/^Connection timed out during banner exchange$/m.test(text))
    return { kind: 'unreachable', why: 'timeout' };
  // Of several addresses each has its line.
  const [, address = '', port, why = ''] =
    [...text.matchAll(/^ssh: connect to (?:host|address) ([\w.:%-]{1,255}) port (\d{1,5}): (.*)$/gm)].at(
      -1,
    ) ?? [];
  if (port === undefined) return undefined;
  return { kind: 'unreachable', why: whyUnreachable(why), place: { address, port: Number(port) } };
}

/** RFC 4254 section 5.1 names the codes: 1 prohibited, 2 the connect failed. */
function readJump(text: string): SshFailure | undefined {
  const [, why = ''] = /^channel \d+: open failed: (.*)$/m.exec(text) ?? [];
  if (why.startsWith('connect failed')) return { kind: 'target-unreachable', why: whyUnreachable(why) };
  return why.startsWith('administratively prohibited') || /^stdio forwarding failed$/m.test(text)
    ? { kind: 'jump-refused' }
    : undefined;
}

function readKeyRefusal(text: string): SshFailure | undefined {
  return /Permission denied \([a-z,-]*\)\.$|Too many authentication failures/m.test(text)
    ? { kind: 'key-refused' }
    : undefined;
}

function readTurnedAway(text: string): SshFailure | undefined {
  return /^(kex_exchange_identification|ssh_exchange_identification|banner exchange): |^Connection (closed|reset) by .* port \d+$/m.test(
    text,
  )
    ? { kind: 'turned-away' }
    : undefined;
}

function readLoss(text: string): SshFailure | undefined {
  return /^(client_loop: send disconnect|packet_write_wait|Timeout, server .* not responding|Connection to .* closed by remote host|Read from remote host .*: |Write failed: )/m.test(
    text,
  )
    ? { kind: 'connection-lost' }
    : undefined;
}
