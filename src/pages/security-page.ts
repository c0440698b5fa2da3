/** Console: one's own passkeys and recovery codes. */
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { moment } from './times.ts';

export interface PasskeyView {
  readonly id: string;
  readonly name: string;
  readonly backedUp: boolean;
  /** Whether the organization takes its model. */
  readonly counts: boolean;
  readonly createdSeconds: number;
  readonly lastUsedSeconds: number | null;
}

export interface SecurityView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly isAdmin: boolean;
  readonly organization: string;
  /** Whether the organization takes passkeys at all. */
  readonly mayEnrol: boolean;
  readonly passkeys: readonly PasskeyView[];
  readonly codesLeft: number;
  readonly nowSeconds: number;
}

export function securityPage(view: SecurityView): string {
  return layout({
    title: 'Security',
    person: view.person,
    current: 'security',
    isAdmin: view.isAdmin,
    main: html`<div class="heading">
<h1>Security</h1>
<p class="lead">Your second factors here, beside those of your identity provider.</p>
</div>
<section aria-labelledby="passkeys">
<h2 id="passkeys">Passkeys</h2>
${view.passkeys.length === 0 ? noPasskeys : passkeyTable(view)}
${view.mayEnrol ? addLink : html`<p class="note">${view.organization} takes no passkeys as second factors.</p>`}
</section>
${view.passkeys.length > 0 && codes(view)}
<p class="note">See also <a href="/console/identities">the identities that you log in with</a>.</p>`,
  });
}

const noPasskeys = html`<div class="card empty"><p>You have no passkey here.</p></div>`;

function passkeyTable(view: SecurityView): Html {
  return html`<div class="card"><table class="rows">
<thead><tr><th scope="col">Name</th><th scope="col">Kind</th><th scope="col">Added</th><th scope="col">Last used</th>
<th scope="col"><span class="unseen">Action</span></th></tr></thead>
<tbody>
${view.passkeys.map((passkey) => row(passkey, view))}
</tbody>
</table></div>`;
}

function row(passkey: PasskeyView, { nowSeconds }: SecurityView): Html {
  const { id, name, backedUp, counts, createdSeconds, lastUsedSeconds } = passkey;
  return html`<tr data-passkey="${id}">
<th scope="row" data-label="Name"><bdi>${name}</bdi></th>
<td data-label="Kind"><span class="pair">${backedUp ? 'Synced' : 'One device'}${!counts && html` <span class="badge warn">not accepted</span>`}</span></td>
<td data-label="Added">${moment(createdSeconds, nowSeconds)}</td>
<td data-label="Last used">${lastUsedSeconds === null ? html`<span class="faint">never</span>` : moment(lastUsedSeconds, nowSeconds)}</td>
<td class="action"><a class="button danger small" href="/console/security/passkeys/${id}/remove">Remove</a></td>
</tr>
`;
}

const addLink = html`<p class="actions"><a class="button" href="/console/security/passkeys/add">Add a passkey</a></p>`;

function codes({ person, codesLeft }: SecurityView): Html {
  return html`<section aria-labelledby="codes">
<h2 id="codes">Recovery codes</h2>
<p>${codesLeft === 0 ? 'You have no recovery codes left.' : `You have ${codesLeft} recovery code${codesLeft === 1 ? '' : 's'} left.`}
Each lets you add a new passkey, once, if you lose yours.</p>
<form class="actions" method="post" action="/console/security/recovery-codes">
<input type="hidden" name="csrf_token" value="${person.csrfToken}">
<button class="quiet" type="submit">Make new codes</button>
</form>
</section>`;
}

export interface RemovePasskeyView extends Pick<SecurityView, 'person' | 'isAdmin'> {
  readonly passkey: Pick<PasskeyView, 'id' | 'name'>;
  readonly isLast: boolean;
}

export function removePasskeyPage({ person, isAdmin, passkey, isLast }: RemovePasskeyView): string {
  return layout({
    title: 'Remove passkey',
    person,
    current: 'security',
    isAdmin,
    width: 'narrow',
    main: html`<section class="card">
<h1>Remove this passkey?</h1>
<p><strong><bdi>${passkey.name}</bdi></strong> will no longer be a second factor here.${isLast && ' It is your only one: the next login that wants a second factor lets you add another.'}</p>
<form class="actions" method="post" action="/console/security/passkeys/${passkey.id}/remove">
<input type="hidden" name="csrf_token" value="${person.csrfToken}">
<button class="danger" type="submit">Remove passkey</button>
<a class="button plain" href="/console/security">Keep it</a>
</form>
</section>`,
  });
}
