/** Console: the people and machines of the organization. */
import type { AccountDocument } from '../api/accounts.ts';
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { moment } from './times.ts';

export interface AccountsView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly organization: string;
  readonly accounts: readonly AccountDocument[];
  readonly nowSeconds: number;
  /** What was typed before, and what is wrong with it. */
  readonly form?: { readonly name: string; readonly displayName: string; readonly problem: string };
}

export function accountsPage(view: AccountsView): string {
  const { accounts, form } = view;
  return layout({
    title: 'Accounts',
    person: view.person,
    current: 'accounts',
    isAdmin: true,
    main: html`<div class="heading">
<h1>Accounts</h1>
<p class="lead">Everybody who has logged in to <strong>${view.organization}</strong>, and its machines. People come here by logging in.</p>
</div>
${emergencies(view)}
<section id="accounts" aria-label="Accounts">
<div class="card"><table class="rows">
<thead><tr><th scope="col">Account</th><th scope="col">Role</th><th scope="col">Groups</th>
<th scope="col" class="number">Live sessions</th><th scope="col">State</th></tr></thead>
<tbody>
${accounts.map((account) => row(account))}
</tbody>
</table></div>
</section>
<section class="card padded" aria-labelledby="new-machine">
<h2 id="new-machine">New account for a machine</h2>
<p>For API tokens and CI. Nobody logs in with it.</p>
${form && html`<p class="problem" role="alert">${form.problem}</p>`}
<form method="post" action="/console/accounts">
<input type="hidden" name="csrf_token" value="${view.person.csrfToken}">
<div class="field"><label for="name">Name</label>
<input id="name" name="name" value="${form?.name}" placeholder="deploy@example.com" autocomplete="off" required></div>
<div class="field"><label for="display_name">What it is</label>
<input id="display_name" name="display_name" value="${form?.displayName}" maxlength="200" autocomplete="off" required></div>
<button type="submit">Make the account</button>
</form>
</section>`,
  });
}

/** Who is an admin only because the operator said so in an emergency. */
function emergencies({ accounts, nowSeconds }: AccountsView): readonly Html[] {
  return accounts.flatMap(({ name, break_glass: emergency }) =>
    emergency === null
      ? []
      : [
          html`<p class="card padded problem" role="status"><strong><bdi>${name}</bdi></strong> is an emergency admin, made by the operator of this server, until ${moment(emergency.expires_at, nowSeconds)}: ${emergency.reason}</p>`,
        ],
  );
}

function row(account: AccountDocument): Html {
  const { name, display_name, kind, groups, role, live_sessions } = account;
  return html`<tr data-account="${name}">
<th scope="row" data-label="Account"><span class="stack"><a href="/console/accounts/${name}"><bdi>${name}</bdi></a><small><bdi>${display_name}</bdi></small></span></th>
<td data-label="Role">${kind === 'machine' ? 'Machine' : (role ?? html`<span class="faint">none here</span>`)}</td>
<td data-label="Groups">${groups.length === 0 ? html`<span class="faint">none</span>` : html`<bdi>${groups.slice(0, 3).join(', ')}</bdi>${groups.length > 3 && html` <small>and ${groups.length - 3} more</small>`}`}</td>
<td data-label="Live sessions" class="number">${live_sessions}</td>
<td data-label="State">${accountBadge(account)}</td>
</tr>`;
}

export function accountBadge({ disabled, break_glass }: AccountDocument): Html {
  if (disabled) return html`<span class="badge ended">Disabled</span>`;
  return break_glass === null
    ? html`<span class="badge good">Active</span>`
    : html`<span class="badge bad">Emergency admin</span>`;
}
