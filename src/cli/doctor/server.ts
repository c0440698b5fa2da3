/** Whether the server is reached, what it thinks of one's session, and whether its clock and this one agree. */
import { ownSession } from '../../api/sessions.ts';
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { fetchOf } from '../api-client.ts';
import type { SallyContext } from '../context.ts';
import { printable } from '../printable.ts';
import { secondFactorText } from '../second-factor-text.ts';
import { callSignedIn } from '../signed-in.ts';
import { fromNow, spanText } from '../times.ts';
import type { CertificateFacts } from './certificate.ts';
import { type Finding, ok, unknown } from './finding.ts';

export interface ServerFacts {
  readonly server: string;
  /** Why it was not reached; null: it was. */
  readonly failure: string | null;
  /** How far this clock is ahead of the server's; undefined: it did not say. */
  readonly aheadSeconds: number | undefined;
}

const asked = '/oauth/.well-known/openid-configuration';

export async function gatherServer(context: SallyContext, server: string): Promise<ServerFacts> {
  const url = new URL(asked, server);
  try {
    const before = context.now().getTime();
    const response = await fetchOf(context, new URL(server))(url.href, { method: 'GET' });
    const middle = (before + context.now().getTime()) / 2;
    const date = Date.parse(response.headers.get('date') ?? '');
    // The header is cut to whole seconds (RFC 9110 section 5.6.7): half of one is its mean error.
    const aheadSeconds = Number.isNaN(date) ? undefined : Math.round((middle - date - 500) / 1000);
    return { server, failure: null, aheadSeconds };
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    return { server, failure: error.message, aheadSeconds: undefined };
  }
}

export function judgeServer({ failure }: ServerFacts): Finding {
  if (failure === null) return ok('server', 'it answers');
  const isAboutTrust = /CERT|certificate|SELF_SIGNED|UNABLE_TO|TLS|SSL/.test(failure);
  return {
    check: 'server',
    outcome: 'problem',
    says: printable(failure),
    fix: isAboutTrust
      ? 'Ask your admin for the CA of the server, and name its file: NODE_EXTRA_CA_CERTS=/path/to/ca.pem'
      : 'Look at the network, the VPN and https_proxy; the certificate at hand is used until it ends',
  };
}

/** Certificates begin a minute before they are issued; proofs of the DPoP key are refused when they are too old. */
const tolerableSeconds = 5;
const worstSeconds = 50;

export function judgeClock({ aheadSeconds }: Pick<ServerFacts, 'aheadSeconds'>): Finding {
  if (aheadSeconds === undefined) return unknown('clock', 'the server did not say what time it is');
  const size = Math.abs(aheadSeconds);
  if (size <= tolerableSeconds) return ok('clock', 'it agrees with that of the server');
  const direction = aheadSeconds > 0 ? 'ahead of' : 'behind';
  const means =
    aheadSeconds > 0
      ? 'certificates seem to end too early, and logins may be refused'
      : 'certificates seem not to be valid yet, and are renewed too late';
  return {
    check: 'clock',
    outcome: size >= worstSeconds ? 'problem' : 'warning',
    says: `The clock of this machine is ${spanText(size)} ${direction} that of the server: ${means}.`,
    fix: 'Let the clock be set by the network: sudo timedatectl set-ntp true; on macOS and Windows in the settings of date and time',
  };
}

export async function checkSession(
  context: SallyContext,
  { login }: Pick<CertificateFacts, 'login'>,
): Promise<Finding> {
  if (context.machine) return unknown('session', `${context.machine.source} makes this a machine: not asked`);
  if (!login) return unknown('session', 'nobody is logged in here', 'sally login');
  if (!login.hasTokens) return over('The server has said that this session is over.');
  try {
    const { session } = await callSignedIn(
      { ...context, mayStepUp: false },
      { method: 'GET', path: '/v1/session', reply: ownSession },
    );
    const now = context.now();
    return ok('session', `live, ends ${fromNow(session.expires_at, now)}, ${secondFactorText(session, now)}`);
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    const { code, message } = error;
    if (code === 'session_ended' || code === 'token_missing' || code === 'grant_invalid') {
      return over('The server says that this session is over: it was ended, or its time is.');
    }
    if (code === 'unavailable') return unknown('session', 'the server could not be asked');
    return {
      check: 'session',
      outcome: 'problem',
      says: `The server refuses: ${printable(message)}`,
      fix: 'sally login',
    };
  }
}

function over(says: string): Finding {
  return {
    check: 'session',
    outcome: 'problem',
    says,
    fix: 'sally login; who ended it and when is then in: sally sessions list --all',
  };
}
