/** Console: what an organization asks of logins, to be changed. */
import type { LoginPolicyReply } from '../api/login-policy.ts';
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { checkbox, field, hiddenToken, select, textArea } from './settings-form.ts';

export interface LoginPolicyView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly policy: LoginPolicyReply;
  /** What was wrong with the form that was sent. */
  readonly problem: string | null;
}

export function loginPolicyPage({ person, policy, problem }: LoginPolicyView): string {
  return layout({
    title: 'What is asked of logins',
    person,
    current: 'sign-in',
    isAdmin: true,
    main: html`<div class="heading">
<h1>What is asked of logins</h1>
<p class="lead"><a href="/console/sign-in-settings">Back to sign-in</a></p>
</div>
${problem !== null && html`<p class="card padded problem" role="alert">${problem}</p>`}
<section class="card padded">
${policyForm(person, policy)}
</section>`,
  });
}

/** An empty field means any, or no limit. */
function policyForm(person: LoginPolicyView['person'], policy: LoginPolicyReply): Html {
  return html`<form method="post" action="/console/sign-in-settings/policy">
${hiddenToken(person)}
${checkbox('mfa_required', 'A second factor is required', policy.mfa_required)}
${checkbox('mfa_source_provider', 'The identity provider’s counts', policy.mfa_sources.includes('provider'))}
${checkbox('mfa_source_passkey', 'A passkey enrolled here counts', policy.mfa_sources.includes('passkey'))}
${field({ name: 'mfa_methods', label: 'Methods that count (RFC 8176 names; empty: any)', value: words(policy.mfa_methods) })}
${field({ name: 'mfa_max_age_seconds', label: 'Oldest second factor, in seconds (empty: as old as the session)', value: number(policy.mfa_max_age_seconds) })}
${field({ name: 'passkey_models', label: 'Models of passkeys (AAGUIDs; empty: any)', value: words(policy.passkey_models) })}
${field({ name: 'session_max_seconds', label: 'A session ends after, in seconds', value: number(policy.session_max_seconds) })}
${field({ name: 'session_idle_seconds', label: 'Without use it ends after, in seconds (empty: no such limit)', value: number(policy.session_idle_seconds) })}
${field({ name: 'outage_grace_seconds', label: 'Renewals without an answer of the identity provider, in seconds', value: number(policy.outage_grace_seconds) })}
${select({
  name: 'device_login',
  label: 'Logins with a code on another device',
  value: policy.device_login,
  options: [
    ['off', 'Off'],
    ['same-network', 'From the same network'],
    ['on', 'On'],
  ],
})}
${checkbox('ssh_codes', 'One-time SSH codes', policy.ssh_codes)}
${checkbox('machine_access', 'API tokens and CI systems get certificates', policy.machine_access)}
${select({
  name: 'source_pinning',
  label: 'Certificates are good',
  value: policy.source_pinning,
  options: [
    ['off', 'From everywhere'],
    ['network', 'From the network that asked (IPv4 /24, IPv6 /64)'],
    ['address', 'From the address that asked'],
  ],
})}
${checkbox('registered_keys', 'Registered SSH keys may stand in for certificates', policy.registered_keys)}
${field({ name: 'max_connection_seconds', label: 'A connection ends after, in seconds (empty: no limit)', value: number(policy.max_connection_seconds) })}
${field({ name: 'idle_timeout_seconds', label: 'A silent connection ends after, in seconds (empty: no limit)', value: number(policy.idle_timeout_seconds) })}
${hardwareFields(policy)}
<button type="submit">Save</button>
</form>`;
}

function hardwareFields(policy: LoginPolicyReply): Html {
  return html`${select({
    name: 'hardware_keys',
    label: 'People’s certificates are for',
    value: policy.hardware_keys,
    options: [
      ['off', 'Any key'],
      ['required', 'Security keys only'],
      ['verified', 'Security keys that ask for a PIN or a finger'],
    ],
  })}
${checkbox('hardware_attestation', 'The maker of a security key must vouch for it', policy.hardware_attestation === 'required')}
${field({ name: 'hardware_models', label: 'Models of security keys (AAGUIDs; empty: any)', value: words(policy.hardware_models) })}
${textArea({ name: 'hardware_authorities', label: 'Certificates of the makers’ authorities (PEM)', value: policy.hardware_authorities.join('') })}`;
}

function words(list: readonly string[] | null): string {
  return (list ?? []).join(' ');
}

function number(value: number | null): string {
  return value === null ? '' : String(value);
}
