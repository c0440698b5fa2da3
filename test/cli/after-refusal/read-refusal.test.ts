/** What ssh writes when it fails, as OpenSSH 9.2 and 10.x do, and gateways; and the line that a person reads after it. */
import { describe, expect, test } from 'vitest';
import { diagnosisLine } from '../../../src/cli/after-refusal/diagnosis.ts';
import { KeptText } from '../../../src/cli/after-refusal/kept-text.ts';
import { readRefusal, type SshFailure } from '../../../src/cli/after-refusal/read-refusal.ts';

const denial = (more: string) =>
  `Error: Access denied\nService: shop-production--web\nUser: alice@example.com\n${more}`;

const cases: [string, SshFailure, string][] = [
  [
    denial(
      'Parameters: {"amr":["mfa"],"max_age":900}\nDetail: Too old.\nRun: sally login --mfa --max-age 900\n',
    ),
    { kind: 'second-factor', maxAge: 900, detail: 'Too old.' },
    'a fresh second factor is needed, run: sally login --mfa --max-age 900',
  ],
  [
    denial('Parameters: {"amr":["mfa"]}\r\nDetail: None.\r\nRun: sally login --mfa\r\n'),
    { kind: 'second-factor', detail: 'None.' },
    'a second factor is needed, run: sally login --mfa',
  ],
  [
    denial('Detail: The login session was ended. Log in again.\nRun: sally login\n'),
    { kind: 'session-over', detail: 'The login session was ended. Log in again.' },
    'session expired, run: sally login',
  ],
  [
    denial('Detail: SSH is switched off for the project shop.'),
    { kind: 'denied', detail: 'SSH is switched off for the project shop.' },
    'access denied, run: sally explain shop-production--web',
  ],
  [
    'Error: Not available right now\nService: a\nUser: b\nDetail: The certificate authority can not be asked now.\n',
    { kind: 'unavailable', detail: 'The certificate authority can not be asked now.' },
    'the gateway cannot ask the certificate authority now; try again in a minute, or run: sally doctor',
  ],
  [
    'Connection ended: Your certificate was revoked. Log in again: sally login\r\nConnection to gw closed.\r\n',
    { kind: 'session-over', detail: 'Your certificate was revoked. Log in again: sally login' },
    'session expired, run: sally login',
  ],
  [
    'web@127.0.0.1: Permission denied (publickey).\r\n',
    { kind: 'key-refused' },
    'your certificate was not accepted although you are let in, run: sally cert ensure --force',
  ],
  [
    'Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures\r\n',
    { kind: 'key-refused' },
    'your certificate was not accepted although you are let in, run: sally cert ensure --force',
  ],
  [
    'ssh: connect to host 192.0.2.1 port 22: Connection refused\r\n',
    { kind: 'unreachable', why: 'refused', place: { address: '192.0.2.1', port: 22 } },
    '192.0.2.1 port 22 refuses connections, run: sally doctor',
  ],
  [
    'ssh: connect to address 2001:db8::1 port 22: No route to host\r\nssh: connect to host gw port 22: Connection timed out\r\n',
    { kind: 'unreachable', why: 'timeout', place: { address: 'gw', port: 22 } },
    'gw port 22 does not answer, run: sally doctor',
  ],
  [
    'ssh: connect to host 192.0.2.1 port 22: Network is unreachable\n',
    { kind: 'unreachable', why: 'no-route', place: { address: '192.0.2.1', port: 22 } },
    '192.0.2.1 port 22 cannot be reached from this network, run: sally doctor',
  ],
  [
    'ssh: Could not resolve hostname gw.example.com: Name or service not known\r\n',
    { kind: 'unreachable', why: 'name' },
    'the machine has no address that is known here, run: sally doctor',
  ],
  [
    'Connection timed out during banner exchange\r\nConnection to 127.0.0.1 port 22 timed out\r\n',
    { kind: 'unreachable', why: 'timeout' },
    'the machine does not answer, run: sally doctor',
  ],
  [
    'kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 192.0.2.1 port 22\r\n',
    { kind: 'turned-away' },
    'the machine ended the connection before the login; try again in a minute, or run: sally doctor',
  ],
  [
    'Connection closed by UNKNOWN port 65535\r\n',
    { kind: 'turned-away' },
    'the machine ended the connection before the login; try again in a minute, or run: sally doctor',
  ],
  [
    'Certificate invalid: not yet valid\r\nNo ED25519 host key is known for a and you have requested strict checking.\r\nHost key verification failed.\r\n',
    { kind: 'host-key', why: 'not-yet-valid' },
    "the machine's certificate is not valid yet by your clock, nothing was sent to it; set the clock, or run: sally doctor",
  ],
  [
    'Certificate invalid: expired\r\nHost key verification failed.\r\n',
    { kind: 'host-key', why: 'expired' },
    "the machine's certificate is over by your clock, nothing was sent to it; set the clock, or run: sally doctor",
  ],
  [
    'Certificate invalid: name is not a listed principal\r\nHost key verification failed.\r\n',
    { kind: 'host-key', why: 'other-name' },
    'the machine is another one than you asked for, nothing was sent to it; run: sally ssh-config install',
  ],
  [
    '@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key verification failed.\r\n',
    { kind: 'host-key', why: 'changed' },
    'the machine is not the one that it was, nothing was sent to it; run: sally ssh-config install',
  ],
  [
    '@       WARNING: REVOKED HOST KEY DETECTED!               @\r\nHost key verification failed.\r\n',
    { kind: 'host-key', why: 'revoked' },
    "the machine's key was revoked, nothing was sent to it; ask its owner, or run: sally doctor",
  ],
  [
    'Unable to negotiate with 127.0.0.1 port 22: no matching host key type found. Their offer: ssh-ed25519\r\n',
    { kind: 'host-key', why: 'no-certificate' },
    'the machine shows no certificate of a kind that is safe, nothing was sent to it; run: sally doctor',
  ],
  [
    'No ED25519-CERT host key is known for web.sallyport and you have requested strict checking.\r\n',
    { kind: 'host-key', why: 'unknown' },
    'nobody that you trust vouches for the machine, nothing was sent to it; run: sally ssh-config install',
  ],
  [
    'channel 0: open failed: administratively prohibited: open failed\r\nstdio forwarding failed\r\nConnection closed by UNKNOWN port 65535\r\n',
    { kind: 'jump-refused' },
    'the gateway did not open the way to shop-production--web, run: sally explain shop-production--web',
  ],
  [
    'channel 0: open failed: connect failed: Connection refused\r\nstdio forwarding failed\r\nConnection closed by UNKNOWN port 65535\r\n',
    { kind: 'target-unreachable', why: 'refused' },
    'shop-production--web refuses connections behind the gateway, run: sally explain shop-production--web',
  ],
  [
    'bind [127.0.0.1]:30000: Address already in use\r\nchannel_setup_fwd_listener_tcpip: cannot listen to port: 30000\r\n',
    { kind: 'port-taken', port: 30000 },
    'local port 30000 is in use here; name another one before the first colon of -L',
  ],
  [
    'client_loop: send disconnect: Broken pipe\r\n',
    { kind: 'connection-lost' },
    'the connection was lost; run the command again',
  ],
  [
    '/home/a/.ssh/config: line 3: Bad configuration option: hostnam\r\n/home/a/.ssh/config: terminating, 1 bad configuration options\r\n',
    { kind: 'configuration' },
    'your ssh config is not as ssh wants it, run: sally doctor --fix',
  ],
  [
    'Bad owner or permissions on /home/a/.ssh/config\r\n',
    { kind: 'configuration' },
    'your ssh config is not as ssh wants it, run: sally doctor --fix',
  ],
  [
    '@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\r\nLoad key "/x": bad permissions\r\nweb@gw: Permission denied (publickey).\r\n',
    { kind: 'key-file' },
    'ssh does not take a key file that others may read, run: sally doctor --fix',
  ],
];

describe('what ssh says', () => {
  test.each(cases)('%j', (text, failure, line) => {
    expect(readRefusal(`debug1: noise\nwords of a banner\n${text}`)).toEqual(failure);
    const verdict = { allowed: true, code: undefined, message: undefined };
    expect(diagnosisLine(failure, { target: 'shop-production--web', verdict })).toBe(line);
  });

  test.each([
    '',
    'the job printed: Permission denied\n',
    'Error: Access denied\n',
    ' Error: Access denied\n Service: a\n User: b\n',
    'Warning: Permanently added the host to the list of known hosts.\n',
  ])('%j is no failure that is known', (text) => {
    expect(readRefusal(text)).toBeUndefined();
  });

  test('what a machine writes there is shown as text and never as a command', () => {
    const found = readRefusal(denial('Detail: \x1b]0;x\x07 hello\nRun: rm -rf ~\n'));
    expect(found).toEqual({ kind: 'denied', detail: '\\u{1b}]0;x\\u{7} hello' });
    for (const parameters of ['{"amr":["mfa"],"max_age":"1; rm"}', '{"amr":["mfa"],"max_age":-1}']) {
      const refusal = readRefusal(denial(`Parameters: ${parameters}\nDetail: x\n`));
      expect(diagnosisLine(refusal as SshFailure)).toBe('a second factor is needed, run: sally login --mfa');
    }
  });

  test('of much that was said the end is kept', () => {
    const kept = new KeptText();
    for (let at = 0; at < 1000; at += 1)
      kept.add(Buffer.from(`line ${at} of many that a command has written\n`));
    expect(kept.text.length).toBeLessThanOrEqual(32_768);
    expect(kept.text).toMatch(/line 999 of many that a command has written\n$/);
  });
});
