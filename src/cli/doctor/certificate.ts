/** Whether key, certificate, login and what ssh is told of them fit together. */
import { readFile } from 'node:fs/promises';
import { nowSeconds, type SallyContext } from '../context.ts';
import { currentPair } from '../current-pair.ts';
import { readSessionFacts } from '../session-file.ts';
import { fromNow } from '../times.ts';
import { type Finding, ok, type Repair, unknown } from './finding.ts';

export interface CertificateFacts {
  /** What is known of the login here; null: nobody is logged in. */
  readonly login: {
    readonly account: string;
    readonly sessionId: string;
    readonly expiresAt: number;
    readonly hasTokens: boolean;
  } | null;
  /** What ssh offers; null: nothing that fits together. */
  readonly pair: {
    readonly keyId: string;
    readonly principals: readonly string[];
    readonly validAfter: number;
    readonly validBefore: number;
  } | null;
  /** Whether ssh is told of a key and certificate, whatever is at that place. */
  readonly isNamed: boolean;
  /** What is wrong with the file of the login; null: nothing. */
  readonly refusal: string | null;
}

export async function gatherCertificate(context: SallyContext): Promise<CertificateFacts> {
  const { paths } = context;
  let refusal: string | null = null;
  const session = await readSessionFacts(context).catch((error: Error) => {
    refusal = error.message;
    return undefined;
  });
  const text = await readFile(paths.identity, 'utf8').catch(() => '');
  return {
    login: session
      ? {
          account: session.account,
          sessionId: session.session_id,
          expiresAt: session.expires_at,
          hasTokens: session.has_tokens,
        }
      : null,
    pair: (await currentPair(paths)) ?? null,
    isNamed: /^IdentityFile "/m.test(text),
    refusal,
  };
}

const renewing = {
  fix: 'sally cert reset',
  repair: { kind: 'certificate' },
} as const satisfies { fix: string; repair: Repair };

export function judgeCertificate(facts: CertificateFacts, context: Pick<SallyContext, 'now'>): Finding {
  const { login, pair, isNamed, refusal } = facts;
  const problem = (says: string, rest: { fix: string; repair?: Repair }): Finding => ({
    check: 'certificate',
    outcome: 'problem',
    says,
    ...rest,
  });
  if (refusal !== null) return problem(refusal, { fix: 'sally login' });
  if (!login) {
    if (!pair) return unknown('certificate', 'nobody is logged in here', 'sally login');
    return problem('There is a certificate, but no login that it is of.', { fix: 'sally login' });
  }
  const now = context.now();
  if (!login.hasTokens || login.expiresAt <= nowSeconds(context)) {
    return problem('The login is over, so ssh is given no certificate.', { fix: 'sally login' });
  }
  if (!pair) {
    const says = isNamed
      ? 'The key and the certificate that ssh is told of do not fit together, or are not there.'
      : 'There is a login, but no certificate yet.';
    return problem(says, isNamed ? renewing : { ...renewing, fix: 'sally cert ensure' });
  }
  if (!pair.principals.includes(login.account) || pair.keyId !== `${login.account}/${login.sessionId}`) {
    return problem('The certificate is of another login than the one here.', renewing);
  }
  if (pair.validBefore <= nowSeconds(context)) {
    return problem(`The certificate has expired, ${fromNow(pair.validBefore, now)}.`, {
      ...renewing,
      fix: 'sally cert ensure',
    });
  }
  if (pair.validAfter > nowSeconds(context)) {
    return problem(
      `The certificate is not valid before ${fromNow(pair.validAfter, now)}: the clock of this machine is behind.`,
      { fix: 'Set the clock of this machine' },
    );
  }
  return ok('certificate', `good, it ends ${fromNow(pair.validBefore, now)}`);
}
