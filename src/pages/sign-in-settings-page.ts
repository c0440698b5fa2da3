/** Console: the organization's identity providers, and what it asks of logins. */
import type { IdentityProviderDocument } from '../api/identity-providers.ts';
import type { LoginPolicyReply } from '../api/login-policy.ts';
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { facts } from './settings-form.ts';
import { duration } from './times.ts';

export interface SignInSettingsView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly organization: string;
  readonly providers: readonly IdentityProviderDocument[];
  readonly policy: LoginPolicyReply;
}

export function signInSettingsPage(view: SignInSettingsView): string {
  const { person, organization, providers, policy } = view;
  return layout({
    title: 'Sign-in',
    person,
    current: 'sign-in',
    isAdmin: true,
    main: html`<div class="heading">
<h1>Sign-in</h1>
<p class="lead">Where the people of <strong>${organization}</strong> log in, and what is asked of them.</p>
</div>
<section aria-labelledby="providers">
<h2 id="providers">Identity providers</h2>
<div class="card"><table class="rows">
<thead><tr><th scope="col">Name</th><th scope="col">Issuer</th><th scope="col">State</th>
<th scope="col"><span class="unseen">Action</span></th></tr></thead>
<tbody>
${providers.map(row)}
</tbody>
</table></div>
<p class="actions"><a class="button" href="/console/sign-in-settings/providers">Set up another</a></p>
</section>
<section class="card padded" aria-labelledby="policy">
<h2 id="policy">What is asked of logins</h2>
${summary(policy)}
<p class="actions"><a class="button" href="/console/sign-in-settings/policy">Change</a></p>
</section>`,
  });
}

function row({ slug, source, enabled, settings }: IdentityProviderDocument): Html {
  const name = String(settings['name']);
  return html`<tr data-provider="${slug}">
<th scope="row" data-label="Name"><span class="stack"><bdi>${name}</bdi> <small>${slug}</small></span></th>
<td data-label="Issuer"><bdi>${String(settings['issuer'])}</bdi></td>
<td data-label="State">${enabled ? html`<span class="badge good">On</span>` : html`<span class="badge">Off</span>`}</td>
<td class="action">${
    source === 'console'
      ? html`<a class="button plain small" href="/console/sign-in-settings/providers/${slug}">Change<span class="unseen"> ${name}</span></a>`
      : html`<small class="faint">The operator’s</small>`
  }</td>
</tr>`;
}

const deviceLogins = { off: 'off', 'same-network': 'from the same network', on: 'on' } as const;

const pinnings = {
  off: 'are good from everywhere',
  network: 'are good from the network that asked for them',
  address: 'are good from the address that asked for them',
} as const;

const hardwareKeys = {
  off: 'of any kind',
  required: 'security keys only',
  verified: 'security keys that ask for a PIN or a finger',
} as const;

function limit(seconds: number | null): string {
  return seconds === null ? 'no limit' : `ends after ${duration(seconds)}`;
}

function summary(policy: LoginPolicyReply): Html {
  const sources = policy.mfa_sources.map((source) =>
    source === 'provider' ? 'the identity provider' : 'a passkey here',
  );
  return facts([
    ['Second factor', policy.mfa_required ? `required, from ${sources.join(' or ')}` : 'not required'],
    [
      'Its age',
      policy.mfa_max_age_seconds === null ? 'any' : `at most ${duration(policy.mfa_max_age_seconds)}`,
    ],
    ['A session', `ends after ${duration(policy.session_max_seconds)}`],
    [
      'Without use',
      policy.session_idle_seconds === null
        ? 'no limit'
        : `ends after ${duration(policy.session_idle_seconds)}`,
    ],
    ['Device logins', deviceLogins[policy.device_login]],
    ['SSH codes', policy.ssh_codes ? 'on' : 'off'],
    ['Machines', policy.machine_access ? 'get certificates' : 'get none'],
    ['Certificates', pinnings[policy.source_pinning]],
    ['Registered keys', policy.registered_keys ? 'on' : 'off'],
    ['A connection', limit(policy.max_connection_seconds)],
    ['Without a sign of life', limit(policy.idle_timeout_seconds)],
    ['Keys', hardwareKeys[policy.hardware_keys]],
    [
      'Makers of security keys',
      policy.hardware_attestation === 'off' ? 'are not asked' : 'must vouch for them',
    ],
  ]);
}
