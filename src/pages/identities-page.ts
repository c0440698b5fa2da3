/** Console: with which identities one can log in. */
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { moment } from './times.ts';

export interface IdentitiesView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly isAdmin: boolean;
  readonly identities: readonly {
    readonly issuer: string;
    readonly subject: string;
    /** Name of its provider; null: none of today's. */
    readonly provider: string | null;
    readonly linkedSeconds: number;
  }[];
  readonly providers: readonly { readonly slug: string; readonly name: string }[];
  readonly nowSeconds: number;
}

export function identitiesPage(view: IdentitiesView): string {
  return layout({
    title: 'Identities',
    person: view.person,
    current: 'security',
    isAdmin: view.isAdmin,
    main: html`<div class="heading">
<h1>Identities</h1>
<p class="lead">Whoever proves one of these is you here. <a href="/console/security">Back to security</a></p>
</div>
<div class="card"><table class="rows">
<thead><tr><th scope="col">Identity provider</th><th scope="col">Subject</th><th scope="col">Since</th>
<th scope="col"><span class="unseen">Action</span></th></tr></thead>
<tbody>
${view.identities.map((identity) => row(identity, view))}
</tbody>
</table></div>
${view.providers.length > 1 && linkForm(view)}`,
  });
}

function row(
  { issuer, subject, provider, linkedSeconds }: IdentitiesView['identities'][number],
  view: IdentitiesView,
) {
  return html`<tr data-identity="${subject}">
<th scope="row" data-label="Identity provider"><span class="stack">${provider ?? 'Not in use'} <small><bdi>${issuer}</bdi></small></span></th>
<td data-label="Subject"><bdi>${subject}</bdi></td>
<td data-label="Since">${moment(linkedSeconds, view.nowSeconds)}</td>
<td class="action">${view.identities.length > 1 && unlinkForm(issuer, subject, view)}</td>
</tr>`;
}

function unlinkForm(issuer: string, subject: string, { person }: IdentitiesView): Html {
  return html`<form method="post" action="/console/identities/unlink">
<input type="hidden" name="csrf_token" value="${person.csrfToken}">
<input type="hidden" name="issuer" value="${issuer}">
<input type="hidden" name="subject" value="${subject}">
<button class="danger small" type="submit">Unlink and end its sessions</button>
</form>`;
}

function linkForm({ person, providers }: IdentitiesView): Html {
  return html`<section class="card padded">
<h2>Link another identity</h2>
<p>You log in once more with this account, and then at the other identity provider. After that either gets you in.</p>
<form class="actions" method="post" action="/console/identities/link">
<input type="hidden" name="csrf_token" value="${person.csrfToken}">
<div class="field"><label for="provider">Identity provider</label>
<select id="provider" name="provider">${providers.map(({ slug, name }) => html`<option value="${slug}">${name}</option>`)}</select></div>
<button type="submit">Continue</button>
</form>
</section>`;
}
