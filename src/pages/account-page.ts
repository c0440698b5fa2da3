/** Console: one account, and the end of what it has. */
import type { AccountDocument } from '../api/accounts.ts';
import { accountBadge } from './accounts-page.ts';
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { moment } from './times.ts';

export interface AccountView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly account: AccountDocument;
  readonly nowSeconds: number;
  /** What was just refused. */
  readonly problem?: string;
}

export function accountPage(view: AccountView): string {
  const { account, person, nowSeconds, problem } = view;
  const { name, kind, live_sessions: live } = account;
  const isOwn = person.account === name;
  const facts: readonly [string, Html][] = [
    ['Name', html`<bdi>${account.display_name}</bdi>`],
    ['Kind', html`${kind === 'machine' ? 'Machine' : 'Person'}`],
    ['Role', html`${account.role ?? 'none on the whole organization'}`],
    ['Groups', html`<bdi>${account.groups.join(', ') || 'none'}</bdi>`],
    ['Live sessions', html`${live}`],
    ['Since', moment(account.created_at, nowSeconds)],
  ];
  return layout({
    title: name,
    person,
    current: 'accounts',
    isAdmin: true,
    width: 'narrow',
    main: html`<p class="back"><a href="/console/accounts">All accounts</a></p>
<section class="card">
<h1><bdi>${name}</bdi> ${accountBadge(account)}</h1>
${problem !== undefined && html`<p class="problem" role="alert">${problem}</p>`}
<dl class="facts">
${facts.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}
</dl>
<div class="actions">
${live > 0 && button(view, 'end-sessions', `End ${live === 1 ? 'the session' : `all ${live} sessions`}`)}
${kind === 'person' && button(view, 'reset-passkeys', 'Reset passkeys')}
${account.disabled ? button(view, 'enable', 'Enable') : button(view, 'disable', 'Disable')}
</div>
<p class="note">${
      account.disabled
        ? 'Enabled again, it can log in; nothing that was ended comes back.'
        : `Disabling ends every session, certificate, live connection and API token${isOwn ? ', yours in this browser too' : ''}, and nobody logs in with the account.`
    }${kind === 'person' && ' Resetting removes the passkeys and recovery codes kept here: the next login that wants a second factor enrols anew.'}</p>
</section>`,
  });
}

function button({ account, person }: AccountView, act: string, text: string): Html {
  return html`<form method="post" action="/console/accounts/${account.name}/${act}">
<input type="hidden" name="csrf_token" value="${person.csrfToken}">
<button class="${act === 'enable' ? '' : 'danger'}" type="submit">${text}</button>
</form>`;
}
