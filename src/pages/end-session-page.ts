/** Console: the question before a session is ended. */
import type { SessionDocument } from '../api/sessions.ts';
import { html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { sessionFacts } from './session-facts.ts';

export interface EndSessionView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly isAdmin: boolean;
  readonly isOwnBrowser: boolean;
  readonly session: SessionDocument;
  readonly nowSeconds: number;
}

export function endSessionPage(view: EndSessionView): string {
  const { session } = view;
  return layout({
    title: 'End session',
    person: view.person,
    current: 'sessions',
    isAdmin: view.isAdmin,
    width: 'narrow',
    main: html`<section class="card">
<h1>End this session?</h1>
<p>${consequence(session)}${view.isOwnBrowser ? ' It is the session of this browser: you will be signed out.' : ''}</p>
${sessionFacts(session, view.nowSeconds)}
<form class="actions" method="post" action="/console/sessions/${session.id}/end">
<input type="hidden" name="csrf_token" value="${view.person.csrfToken}">
<button class="danger" type="submit">End session</button>
<a class="button plain" href="/console/sessions">Keep it</a>
</form>
</section>`,
  });
}

function consequence(session: SessionDocument): string {
  if (session.connections === 0) return 'Its certificates stop working at once. The person can log in again.';
  const live =
    session.connections === 1 ? 'Its live connection' : `Its ${session.connections} live connections`;
  return `Its certificates stop working at once. ${live} will be cut, with everything that runs in ${session.connections === 1 ? 'it' : 'them'}. The person can log in again.`;
}
