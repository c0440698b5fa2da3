/** What makes `sally` act for a machine instead of a person: a credential that came with the environment. */
import { createHash } from 'node:crypto';
import type { DebugLog } from './debug-log.ts';
import type { MachineVariables } from './environment.ts';

export interface MachineCredential {
  readonly kind: 'api-token' | 'jwt';
  /** The variable that it came from, for messages. */
  readonly source: string;
  readonly rule: string | undefined;
  /** The token itself, got anew where it is short-lived. Never stored. @throws token_missing, unavailable */
  subjectToken(server: URL): Promise<string>;
}

/** The first credential that is there; the server that it is for is none of its business. */
export function machineCredential(
  variables: MachineVariables | undefined,
  debug: DebugLog,
  get: (url: URL, headers: Headers) => Promise<Response>,
): MachineCredential | undefined {
  const { apiToken, idToken, idTokenFile, request, rule } = variables ?? {};
  for (const secret of [apiToken, idToken, request?.token]) if (secret) debug.redact(secret);
  const secretly = async (find: () => Promise<string>) => {
    const token = await find();
    debug.redact(token);
    return token;
  };
  if (apiToken) {
    return { kind: 'api-token', source: 'SALLY_TOKEN', rule: undefined, subjectToken: async () => apiToken };
  }
  if (idToken) return { kind: 'jwt', source: 'SALLY_ID_TOKEN', rule, subjectToken: async () => idToken };
  if (idTokenFile) {
    const subjectToken = () =>
      secretly(async () => (await import('./subject-token.ts')).readTokenFile(idTokenFile));
    return { kind: 'jwt', source: 'SALLY_ID_TOKEN_FILE', rule, subjectToken };
  }
  if (request) {
    const subjectToken = (server: URL) =>
      secretly(async () => (await import('./subject-token.ts')).requestToken(get, request, server));
    return { kind: 'jwt', source: 'ACTIONS_ID_TOKEN_REQUEST_URL', rule, subjectToken };
  }
  return undefined;
}

/**
 * What tells one credential from another, so that what one has got is never used by the next: an API token by its digest,
 * a CI job by who the token is about and not by the token, of which a job gets many.
 */
export function fingerprint(credential: MachineCredential, subjectToken: string): string {
  const about = credential.kind === 'jwt' ? jwtSubject(subjectToken) : subjectToken;
  return createHash('sha256')
    .update(JSON.stringify([credential.kind, credential.rule ?? null, about]))
    .digest('base64url');
}

/** Its claims without those that differ between the tokens of one job (RFC 7519 section 4.1); only the server checks them. */
function jwtSubject(token: string): string {
  try {
    const [, payload = ''] = token.split('.');
    const { jti, iat, nbf, exp, ...about } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    return JSON.stringify(about);
  } catch {
    return token;
  }
}
