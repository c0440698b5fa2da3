/** How a login session is shown, in rows and on its own page. */
import type { SessionDocument } from '../api/sessions.ts';
import { shortClientName } from '../api/short-client-name.ts';
import { type Html, html } from './html.ts';
import { moment } from './times.ts';

const kinds = {
  helper: 'sally',
  browser: 'Console',
  token: 'API token',
  ci: 'CI',
  key: 'SSH key',
} as const;

export function kindName(session: SessionDocument): string {
  return kinds[session.kind];
}

export function mfaBadge(session: SessionDocument): Html {
  return session.mfa
    ? html`<span class="badge good" title="${session.amr.join(', ')}">${session.mfa_by === 'passkey' ? 'Passkey' : 'MFA'}</span>`
    : html`<span class="badge warn">No MFA</span>`;
}

/** Who vouched for the second factor, too. */
function assuranceWords(session: SessionDocument): Html {
  const by = { provider: 'by the identity provider', passkey: 'by a passkey enrolled here' } as const;
  return html`${mfaBadge(session)}${session.mfa_by !== null && html` <small>${by[session.mfa_by]}</small>`}`;
}

export function isLive(session: SessionDocument, nowSeconds: number): boolean {
  return session.ended_at === null && !isOver(session, nowSeconds);
}

/** Past its end, or idle for too long. */
function isOver({ expires_at, idle_ends_at }: SessionDocument, nowSeconds: number): boolean {
  return Math.min(expires_at, idle_ends_at ?? Number.POSITIVE_INFINITY) <= nowSeconds;
}

export function stateBadge(session: SessionDocument, nowSeconds: number): Html {
  if (session.ended_at !== null) return html`<span class="badge ended">Ended</span>`;
  if (isOver(session, nowSeconds)) return html`<span class="badge ended">Expired</span>`;
  return html`<span class="badge good">Live</span>`;
}

/** Where the session was used from: an address and what the client calls itself. Both are other people's words. */
export function clientWords({ client_address, client_name }: SessionDocument): Html {
  if (client_address === null && client_name === null) return html`<span class="faint">unknown</span>`;
  return html`<bdi class="address">${client_address ?? 'unknown address'}</bdi>${
    client_name !== null &&
    html`<small title="${client_name}"><bdi>${shortClientName(client_name)}</bdi></small>`
  }`;
}

function endWords({ expires_at, idle_ends_at }: SessionDocument, nowSeconds: number): Html {
  if (idle_ends_at === null || idle_ends_at >= expires_at) return moment(expires_at, nowSeconds);
  return html`${moment(expires_at, nowSeconds)}<small>${moment(idle_ends_at, nowSeconds)} if it is not used</small>`;
}

/** Pairs of a term and what it says, for a definition list. */
export function sessionFacts(session: SessionDocument, nowSeconds: number): Html {
  const facts: readonly [string, Html][] = [
    ['Account', html`<bdi>${session.account}</bdi>`],
    ['Signed in to', html`${kindName(session)}`],
    ['Assurance', assuranceWords(session)],
    ['Identity provider', html`<bdi>${session.provider ?? 'none'}</bdi>`],
    ['Since', moment(session.created_at, nowSeconds)],
    ['Last used', moment(session.last_used_at, nowSeconds)],
    ['Ends', endWords(session, nowSeconds)],
    ['From', clientWords(session)],
    ['Connections', html`${session.connections}`],
    ['Certificates', html`${session.certificates}`],
  ];
  return html`<dl class="facts">
${facts.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}
</dl>`;
}
