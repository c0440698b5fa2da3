/** What the names inside a certificate mean, in the words of docs/certificates.md, which a test compares with these. */
import {
  canaryPrincipal,
  isAccountName,
  isHopPrincipal,
  isMachinePrincipal,
  isRolePrincipal,
  mfaPrefix,
} from '../../ssh/names.ts';

interface PrincipalForm {
  readonly form: string;
  readonly matches: (name: string) => boolean;
  readonly meaning: string;
}

const afterMfa = (matches: (name: string) => boolean) => (name: string) =>
  name.startsWith(mfaPrefix) && matches(name.slice(mfaPrefix.length));

/** Of user certificates. The first form that fits counts. */
export const principalForms: readonly PrincipalForm[] = [
  { form: '<account>', matches: isAccountName, meaning: 'the account' },
  {
    form: 'mfa:<account>',
    matches: afterMfa(isAccountName),
    meaning: 'the account, and its login counts as MFA',
  },
  {
    form: 'role:<organization>:<project>:<environment>:<role>',
    matches: isRolePrincipal,
    meaning: 'a role in one environment',
  },
  {
    form: 'mfa:role:<organization>:<project>:<environment>:<role>',
    matches: afterMfa(isRolePrincipal),
    meaning: 'a role in one environment, and the login counts as MFA',
  },
  {
    form: 'at:<machine>',
    matches: isMachinePrincipal,
    meaning: 'the account of the key ID, at this machine alone',
  },
  {
    form: 'hop:<host id>',
    matches: isHopPrincipal,
    meaning: 'the second leg of a connection, from a gateway to this host',
  },
  {
    form: 'canary:never',
    matches: (name) => name === canaryPrincipal,
    meaning: 'nobody: made only to be revoked, which shows that a list works',
  },
];

export function principalMeaning(name: string, isHost: boolean): string {
  if (name === '') return 'empty: sshd may take it for no name at all';
  if (isHost) return /[*?]/.test(name) ? 'every host name that fits' : 'a name or address of the host';
  const form = principalForms.find(({ matches }) => matches(name));
  return form?.meaning ?? 'a name, for whatever the server lets it log in as';
}

export const criticalOptionMeanings: ReadonlyMap<string, string> = new Map([
  ['force-command', 'only this command runs, whatever is asked for'],
  ['source-address', 'only from these addresses'],
  ['verify-required', 'the security key must have asked for a PIN or a finger'],
]);

export const extensionMeanings: ReadonlyMap<string, string> = new Map([
  ['no-touch-required', 'the security key need not have been touched'],
  ['permit-X11-forwarding', 'X11 forwarding'],
  ['permit-agent-forwarding', 'agent forwarding'],
  ['permit-port-forwarding', 'port forwarding, and so jumps to targets'],
  ['permit-pty', 'a terminal'],
  ['permit-user-rc', '~/.ssh/rc runs at login'],
]);

/** Extensions of Sallyport, by what stands before the @. */
export const documentMeanings: ReadonlyMap<string, string> = new Map([
  ['claims', 'who logged in and how'],
  ['mfa', 'factors of the login and who vouches'],
]);

export const claimMeanings: ReadonlyMap<string, string> = new Map([
  ['v', 'version of this format'],
  ['sub', 'the account'],
  ['org', 'its organization'],
  ['amr', 'methods of the login (RFC 8176)'],
  ['acr', 'what the identity provider calls this kind of login'],
  ['auth_time', 'when the person logged in'],
  ['sid', 'the login session'],
  ['mode', 'what uses the certificate'],
  ['max_role', 'the highest role it may use'],
  ['machine', 'the one machine that it is good for'],
  ['act', 'who acts for the account'],
]);

export const mfaMeanings: ReadonlyMap<string, string> = new Map([
  ['v', 'version of this format'],
  ['methods', 'factors of the login (RFC 8176)'],
  ['by', 'who vouches: the identity provider, or the server for a passkey'],
  ['time', 'when the second factor was given'],
]);

export const modeMeanings: ReadonlyMap<string, string> = new Map([
  ['interactive', 'a person who logged in'],
  ['token', 'an API token'],
  ['ci', 'a job of continuous integration'],
  ['key', 'a key of the person’s own that is registered here'],
  ['hop', 'a gateway, for one connection of the person'],
]);

/** RFC 8176 section 2. */
export const methodMeanings: ReadonlyMap<string, string> = new Map([
  ['face', 'face'],
  ['fpt', 'fingerprint'],
  ['geo', 'location'],
  ['hwk', 'hardware key'],
  ['iris', 'iris'],
  ['kba', 'knowledge'],
  ['mca', 'several channels'],
  ['mfa', 'several factors'],
  ['otp', 'one-time code'],
  ['pin', 'PIN'],
  ['pop', 'key'],
  ['pwd', 'password'],
  ['rba', 'risk'],
  ['retina', 'retina'],
  ['sc', 'smart card'],
  ['sms', 'text message'],
  ['swk', 'software key'],
  ['tel', 'telephone'],
  ['user', 'presence'],
  ['vbm', 'voice'],
  ['wia', 'Windows login'],
]);
