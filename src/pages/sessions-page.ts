/** Console: who is in. Admins see their whole organization, everybody else their own sessions. */
import type { SessionDocument } from '../api/sessions.ts';
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { clientWords, isLive, kindName, mfaBadge, stateBadge } from './session-facts.ts';
import { moment } from './times.ts';

export interface SessionsView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly organization: string;
  readonly isAdmin: boolean;
  readonly ownSessionId: string;
  readonly sessions: readonly SessionDocument[];
  readonly nowSeconds: number;
}

export function sessionsPage(view: SessionsView): string {
  const live = view.sessions.filter((session) => isLive(session, view.nowSeconds)).length;
  return layout({
    title: 'Sessions',
    person: view.person,
    current: 'sessions',
    isAdmin: view.isAdmin,
    main: html`<div class="heading">
<h1>Sessions</h1>
<p class="lead">${
      view.isAdmin
        ? html`Everyone signed in to <strong>${view.organization}</strong>. Ending a session ends its certificates and its live SSH connections.`
        : html`Where you are signed in. Ending a session ends its certificates and its live SSH connections.`
    }</p>
</div>
<section id="sessions" data-refresh="5000" aria-label="Sessions">
${view.sessions.length === 0 ? emptyWords : table(view)}
<p class="note">${live === 1 ? '1 live session' : `${live} live sessions`}; those that ended stay listed for a day.</p>
</section>
${endMany(view)}`,
  });
}

function endMany({ person, isAdmin, organization }: SessionsView): Html {
  return html`<section class="card padded" aria-labelledby="own">
<h2 id="own">Signed in elsewhere</h2>
<p>Signs you out everywhere but in this browser: on every machine and in every other browser, live connections included.</p>
<form method="post" action="/console/sessions/end-others">
<input type="hidden" name="csrf_token" value="${person.csrfToken}">
<button class="danger" type="submit">End my other sessions</button>
</form>
</section>
${
  isAdmin &&
  html`<section class="card padded" aria-labelledby="before">
<h2 id="before">Everything before a moment</h2>
<p>Ends every session of ${organization} that began before it, yours too, with its certificates and live connections. Everybody can log in again.</p>
<form method="post" action="/console/sessions/end-before">
<input type="hidden" name="csrf_token" value="${person.csrfToken}">
<div class="field"><label for="before-moment">Moment (UTC)</label>
<input id="before-moment" name="before" type="datetime-local" required></div>
<button class="danger" type="submit">End them all</button>
</form>
</section>`
}`;
}

const emptyWords = html`<div class="card empty"><p>Nobody is signed in.</p></div>`;

function table(view: SessionsView): Html {
  return html`<div class="card"><table class="rows">
<thead><tr>
<th scope="col">Account</th><th scope="col">Signed in to</th><th scope="col">Since</th><th scope="col">Last used</th>
<th scope="col">From</th><th scope="col" class="number">Connections</th><th scope="col" class="number">Certificates</th>
<th scope="col"><span class="unseen">Action</span></th>
</tr></thead>
<tbody>
${view.sessions.map((session) => row(session, view))}
</tbody>
</table></div>`;
}

function row(session: SessionDocument, view: SessionsView): Html {
  const own = session.id === view.ownSessionId;
  const live = isLive(session, view.nowSeconds);
  return html`<tr data-session="${session.id}" data-state="${live ? 'live' : 'ended'}">
<th scope="row" data-label="Account"><a href="/console/sessions/${session.id}"><bdi>${session.account}</bdi></a>${
    own && html` <span class="badge">This browser</span>`
  }</th>
<td data-label="Signed in to"><span class="pair">${kindName(session)} ${mfaBadge(session)}</span></td>
<td data-label="Since">${moment(session.created_at, view.nowSeconds)}</td>
<td data-label="Last used">${moment(session.last_used_at, view.nowSeconds)}</td>
<td data-label="From"><span class="stack">${clientWords(session)}</span></td>
<td data-label="Connections" class="number">${quantity(session.connections)}</td>
<td data-label="Certificates" class="number">${quantity(session.certificates)}</td>
<td class="action">${live ? endButton(session) : stateBadge(session, view.nowSeconds)}</td>
</tr>`;
}

function endButton(session: SessionDocument): Html {
  return html`<a class="button danger small" href="/console/sessions/${session.id}/end">End session<span class="unseen"> of ${session.account}</span></a>`;
}

function quantity(count: number): Html {
  return count === 0 ? html`<span class="faint">0</span>` : html`<strong>${count}</strong>`;
}
