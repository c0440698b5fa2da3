/**
 * Answers the hook of PAM: may whoever typed this code log in? The CA says whose code it is and uses it up; without it
 * nobody gets in. Then everything is as with a certificate: decided here, registered on disk, judged as long as it lives.
 */
import { isIP } from 'node:net';
import { type SshCodeVerdict, sshCodeVerdict } from '../api/ssh-codes.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { registerOffer } from './admit.ts';
import type { Answering } from './answering.ts';
import { isConnectionText, sweepTickets, writeTicket } from './code-tickets.ts';
import type { Basis } from './decision-basis.ts';
import { meaningOf } from './login-names.ts';
import type { Offer } from './offered-certificate.ts';
import { readProcess } from './proc.ts';
import { requestJson, type Server } from './server-request.ts';
import type { SshdListener } from './sshd-listener.ts';

export interface CodeAnswering {
  readonly answering: Answering;
  /** The sshd that takes codes. */
  readonly listener: SshdListener;
  readonly server: Server;
  /** Folder of the tickets. */
  readonly tickets: string;
}

/** Somebody waits before a prompt, and the hook no longer than this. */
const patienceMilliseconds = 15_000;
const letIn = 'in\n';

/** @param form ppid, user, connection and code, as programs/code-hook.sh sends them. Undefined: no */
export async function answerCode(
  codes: CodeAnswering,
  form: URLSearchParams,
  gone: AbortSignal,
): Promise<string | undefined> {
  const { answering, listener, server } = codes;
  const user = form.get('user') ?? '';
  const connection = form.get('connection') ?? '';
  const asked = admittable(answering, user);
  if (typeof asked === 'string') return deny(answering, user, asked);
  // PAM's own process stands between the hook and the monitor.
  const between = readProcess(Number(form.get('ppid')));
  const monitor = between && listener.monitor(between.parent);
  if (monitor === undefined || !isConnectionText(connection)) {
    return deny(answering, user, 'the question did not come from a connection of the listener for codes');
  }
  const verdict = await verify(server, {
    code: form.get('code') ?? '',
    target: asked.target.targetName,
    source_address: addressOf(connection),
    signal: gone,
  });
  if (verdict instanceof SallyportError) return deny(answering, user, verdict.message);
  if (!verdict.accepted) return deny(answering, user, 'the server does not take the code');
  const offer = offerOf(verdict);
  // Asked again: the state may have changed while the server was asked.
  const basis = answering.current();
  const registered = basis && registerOffer(answering, { monitor, offer, user }, basis);
  if (registered === undefined) {
    return deny(answering, user, 'there is nothing here that the account may see', offer);
  }
  const { connections } = answering;
  await sweepTickets(codes.tickets, (digest) => connections.byTicket(digest) !== undefined);
  const uid = process.getuid?.() === 0 ? asked.target.gatewayUid : null;
  await writeTicket(codes.tickets, { connection, ticket: registered.ticket, uid });
  return letIn;
}

/** The target that the login name stands for: a code is for one. Or why there is nothing to ask about. */
function admittable({ current }: Answering, user: string) {
  const basis: Basis | undefined = current();
  if (basis === undefined) return 'there is no state to decide from';
  const meaning = meaningOf(user, basis.facts.state);
  if (meaning?.kind !== 'target') return 'the login name is no target, and codes are for targets';
  return { target: meaning.target };
}

async function verify(
  server: Server,
  { signal, ...body }: { code: string; target: string; source_address: string | null; signal: AbortSignal },
): Promise<SshCodeVerdict | SallyportError> {
  if (body.code.length === 0 || body.code.length > 200) return { accepted: false };
  try {
    const until = AbortSignal.any([signal, AbortSignal.timeout(patienceMilliseconds)]);
    return await requestJson(server, '/v1/companions/ssh-codes/verify', sshCodeVerdict, {
      body,
      signal: until,
    });
  } catch (error) {
    if (error instanceof SallyportError) return error;
    throw error;
  }
}

/** Without the zone that only this machine knows. */
function addressOf(connection: string): string | null {
  const [address = ''] = connection.split(/[ %]/);
  return isIP(address) === 0 ? null : address;
}

function offerOf({ session, use }: Extract<SshCodeVerdict, { accepted: true }>): Offer {
  return {
    account: session.account,
    organization: session.organization,
    sessionId: session.session_id,
    serial: '0',
    authority: '',
    mode: session.mode,
    amr: session.amr,
    acr: session.acr,
    authTimeSeconds: session.auth_time,
    mfa: session.mfa,
    mfaBy: session.mfa_by,
    mfaMethods: session.mfa_methods,
    mfaTimeSeconds: session.mfa_time,
    roleLimit: session.max_role,
    forThisMachine: false,
    validBeforeSeconds: use.expires_at,
    source: 'code',
    sourceText: use.id,
  };
}

function deny({ log }: Answering, user: string, message: string, offer?: Offer): undefined {
  const facts = { user, account: offer?.account ?? null, session: offer?.sessionId ?? null };
  log({ level: 'info', event: 'code.denied', message, facts });
}
