/** Console: API tokens, one's own or, for admins, everybody's; for admins also the rules for CI. */
import type { ApiTokenDocument } from '../api/api-tokens.ts';
import type { CiRuleDocument } from '../api/ci-rules.ts';
import { type CiRuleFields, ciRulesSection } from './ci-rules-section.ts';
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { field, hiddenToken, roleOptions, select } from './settings-form.ts';
import { moment } from './times.ts';

/** As they were typed. */
export interface TokenFields {
  readonly name: string;
  readonly account: string;
  readonly role_limit: string;
  readonly days: string;
  readonly source_ranges: string;
}

export interface TokensView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly organization: string;
  readonly isAdmin: boolean;
  readonly tokens: readonly ApiTokenDocument[];
  readonly rules: readonly CiRuleDocument[];
  readonly nowSeconds: number;
  readonly tokenForm?: { readonly fields: TokenFields; readonly problem: string };
  readonly ruleForm?: { readonly fields: CiRuleFields; readonly problem: string };
}

export const emptyTokenFields: TokenFields = {
  name: '',
  account: '',
  role_limit: 'contributor',
  days: '90',
  source_ranges: '',
};

export function tokensPage(view: TokensView): string {
  const { person, organization, isAdmin, tokens } = view;
  return layout({
    title: 'Tokens',
    person,
    current: 'tokens',
    isAdmin,
    main: html`<div class="heading">
<h1>Tokens</h1>
<p class="lead">${
      isAdmin
        ? html`API tokens of <strong>${organization}</strong>, and what its CI may do. Their certificates are marked as those of machines and never count as a second factor.`
        : html`Your API tokens, for programs that can’t log in. Their certificates are marked as those of machines and never count as a second factor.`
    }</p>
</div>
<section aria-labelledby="tokens">
<h2 id="tokens">API tokens</h2>
<div class="card">${tokens.length === 0 ? html`<div class="empty"><p>There are none.</p></div>` : table(view)}</div>
</section>
${tokenForm(view)}
${isAdmin && ciRulesSection(view)}`,
  });
}

function table({ tokens, nowSeconds }: TokensView): Html {
  return html`<table class="rows">
<thead><tr><th scope="col">Name</th><th scope="col">Account</th><th scope="col">At most</th><th scope="col">From</th>
<th scope="col">Last used</th><th scope="col">Ends</th><th scope="col"><span class="unseen">Action</span></th></tr></thead>
<tbody>
${tokens.map((token) => row(token, nowSeconds))}
</tbody>
</table>`;
}

function row(token: ApiTokenDocument, nowSeconds: number): Html {
  const { id, name, hint, account, role_limit, source_ranges, last_used_at, last_used_address } = token;
  const isOver = token.revoked_at !== null || token.expires_at <= nowSeconds;
  return html`<tr data-token="${id}" data-state="${isOver ? 'over' : 'live'}">
<th scope="row" data-label="Name"><span class="stack"><bdi>${name}</bdi> <small><code>${hint}…</code></small></span></th>
<td data-label="Account"><bdi>${account}</bdi></td>
<td data-label="At most">${role_limit}</td>
<td data-label="From">${source_ranges.length === 0 ? html`<span class="faint">anywhere</span>` : html`<bdi>${source_ranges.join(', ')}</bdi>`}</td>
<td data-label="Last used">${
    last_used_at === null
      ? html`<span class="faint">never</span>`
      : html`<span class="stack">${moment(last_used_at, nowSeconds)} <small class="address">${last_used_address}</small></span>`
  }</td>
<td data-label="Ends">${token.revoked_at === null ? moment(token.expires_at, nowSeconds) : html`<span class="badge ended">Revoked</span>`}</td>
<td class="action">${
    !isOver &&
    html`<a class="button danger small" href="/console/tokens/${id}/revoke">Revoke<span class="unseen"> ${name}</span></a>`
  }</td>
</tr>`;
}

function tokenForm({ person, isAdmin, tokenForm: form }: TokensView): Html {
  const { name, account, role_limit, days, source_ranges } = form?.fields ?? emptyTokenFields;
  return html`<section class="card padded" aria-labelledby="new-token">
<h2 id="new-token">New API token</h2>
${form && html`<p class="problem" role="alert">${form.problem}</p>`}
<form method="post" action="/console/tokens">
${hiddenToken(person)}
${field({ name: 'name', label: 'Name', value: name, note: 'What will use it, such as nightly backup.' })}
${
  isAdmin &&
  field({
    name: 'account',
    label: 'Machine account',
    value: account,
    note: 'Such as deploy@example.com. Empty: your own account.',
  })
}
${select({ name: 'role_limit', label: 'Role at most', value: role_limit, options: roleOptions })}
${field({ name: 'days', label: 'Days until it ends', value: days, note: 'At most 365.' })}
${field({
  name: 'source_ranges',
  label: 'Only from',
  value: source_ranges,
  note: 'Addresses and networks such as 192.0.2.0/24, separated by spaces. Empty: from everywhere.',
})}
<p class="actions"><button type="submit">Make the token</button></p>
</form>
</section>`;
}
