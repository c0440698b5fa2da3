/** Console: one session, and once it has ended, which machines have carried that out. */
import type { RevocationReply, SessionDocument } from '../api/sessions.ts';
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { sessionFacts, stateBadge } from './session-facts.ts';
import { moment } from './times.ts';

export interface SessionView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly isAdmin: boolean;
  readonly session: SessionDocument;
  /** Null while the session lives. */
  readonly companions: RevocationReply['companions'] | null;
  readonly nowSeconds: number;
}

export function sessionPage(view: SessionView): string {
  const { session, companions } = view;
  const waiting = companions?.some(({ acknowledged }) => !acknowledged) ?? false;
  const refresh = companions === null ? 5000 : waiting ? 1000 : 0;
  return layout({
    title: `Session of ${session.account}`,
    person: view.person,
    current: 'sessions',
    isAdmin: view.isAdmin,
    width: 'narrow',
    main: html`<p class="back"><a href="/console/sessions">All sessions</a></p>
<section id="session" class="card" ${refresh > 0 && html`data-refresh="${refresh}"`}>
<h1>Session ${stateBadge(session, view.nowSeconds)}</h1>
${companions !== null && endedWords(view, companions, waiting)}
${sessionFacts(session, view.nowSeconds)}
${
  session.ended_at === null &&
  html`<p class="actions"><a class="button danger" href="/console/sessions/${session.id}/end">End session</a></p>`
}
</section>`,
  });
}

function endedWords(view: SessionView, companions: RevocationReply['companions'], waiting: boolean): Html {
  const at = view.session.ended_at;
  const cut = companions.reduce((sum, { connections_ended }) => sum + connections_ended, 0);
  const outcome =
    companions.length === 0
      ? 'No machine is enrolled that would have to hear it.'
      : waiting
        ? 'Waiting for the machines marked below. One that is switched off hears it first thing when it is back.'
        : `Every machine has carried it out${cut === 0 ? '' : cut === 1 ? ' and cut 1 connection' : ` and cut ${cut} connections`}.`;
  return html`<p role="status">Ended ${at !== null && moment(at, view.nowSeconds)}. ${outcome}</p>
${
  companions.length > 0 &&
  html`<ul class="machines">
${companions.map(
  (companion) => html`<li data-companion="${companion.name}">
<span class="name"><bdi>${companion.name}</bdi> <small>${companion.kind}</small></span>
${companion.connections_ended > 0 && html`<span class="faint">${companion.connections_ended} cut</span>`}
${companion.acknowledged ? html`<span class="badge good">Done</span>` : html`<span class="badge warn">Waiting</span>`}
</li>`,
)}
</ul>`
}`;
}
