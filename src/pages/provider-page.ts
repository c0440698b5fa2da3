/** Console: one identity provider, new or to be changed. */
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { checkbox, facts, field, hiddenToken, select, textArea } from './settings-form.ts';

export interface ProviderFields {
  readonly slug: string;
  readonly name: string;
  readonly preset: string;
  readonly issuer: string;
  readonly client_id: string;
  readonly account: string;
  readonly groups_prefix: string;
  readonly email_domains: string;
  readonly trust_email: boolean;
  readonly enabled: boolean;
  /** The other settings, as YAML. */
  readonly more: string;
}

export interface ProviderView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly fields: ProviderFields;
  readonly presets: readonly string[];
  /** Of what is there; null: it is new. */
  readonly known: {
    readonly version: number;
    readonly redirectUri: string;
    readonly backChannelLogoutUri: string;
  } | null;
  readonly problem: string | null;
  /** What a test found. */
  readonly found: { readonly ok: boolean; readonly message: string } | null;
}

export function providerPage(view: ProviderView): string {
  const { person, fields, known, problem, found } = view;
  const title = known === null ? 'Set up an identity provider' : fields.name;
  return layout({
    title,
    person,
    current: 'sign-in',
    isAdmin: true,
    main: html`<div class="heading">
<h1>${title}</h1>
<p class="lead"><a href="/console/sign-in-settings">Back to sign-in</a></p>
</div>
${problem !== null && html`<p class="card padded problem" role="alert">${problem}</p>`}
${found !== null && html`<p class="card padded" role="status"><span class="badge ${found.ok ? 'good' : 'bad'}">${found.ok ? 'Works' : 'Does not work'}</span> ${found.message}</p>`}
${known !== null && addresses(known)}
<section class="card padded">
<form method="post" action="/console/sign-in-settings/providers${known === null ? '' : `/${fields.slug}`}">
${hiddenToken(person)}
${known === null ? slugField(fields) : html`<input type="hidden" name="version" value="${known.version}">`}
${field({ name: 'name', label: 'Name that people see', value: fields.name })}
${known === null ? field({ name: 'issuer', label: 'Issuer, such as https://login.example.com', value: fields.issuer }) : html`<p>Issuer <bdi>${fields.issuer}</bdi></p>`}
${select({ name: 'preset', label: 'Make', value: fields.preset, options: view.presets.map((preset) => [preset, preset]) })}
${field({ name: 'client_id', label: 'Client id', value: fields.client_id })}
${field({
  name: 'client_secret',
  label: known === null ? 'Client secret' : 'New client secret (empty: it stays)',
  value: '',
  type: 'password',
  note: 'Stored encrypted and never shown again.',
})}
${field({ name: 'account', label: 'Account name (empty: the preset’s)', value: fields.account, note: 'A template such as {email} or {preferred_username}@acme.example.' })}
${field({ name: 'groups_prefix', label: 'Prefix of its groups', value: fields.groups_prefix, note: 'Empty, or a word and "::". Two providers of one organization need different ones.' })}
${field({ name: 'email_domains', label: 'E-mail domains that may log in (empty: any)', value: fields.email_domains })}
${checkbox('trust_email', 'It verifies every e-mail address, although it does not say so', fields.trust_email)}
${textArea({ name: 'more', label: 'Other settings, as YAML', value: fields.more, note: 'Empty: the preset’s.' })}
${checkbox('enabled', 'People may log in with it', fields.enabled)}
<button type="submit">Save</button>
</form>
</section>
${known !== null && others(view)}`,
  });
}

function slugField({ slug }: ProviderFields): Html {
  return field({
    name: 'slug',
    label: 'Short name in addresses',
    value: slug,
    note: 'a-z 0-9 and -; it can not be changed and is never used again.',
  });
}

function addresses({ redirectUri, backChannelLogoutUri }: NonNullable<ProviderView['known']>): Html {
  return html`<section class="card padded"><h2>To be registered there</h2>
${facts([
  ['Redirect URI', redirectUri],
  ['Back-channel logout URI', backChannelLogoutUri],
])}</section>`;
}

function others({ person, fields: { slug, name } }: ProviderView): Html {
  return html`<section class="card padded">
<form class="actions" method="post" action="/console/sign-in-settings/providers/${slug}/test">
${hiddenToken(person)}
<button class="quiet" type="submit">Test it now</button>
</form>
<form class="actions" method="post" action="/console/sign-in-settings/providers/${slug}/remove">
${hiddenToken(person)}
<div class="check"><input id="sure" name="sure" type="checkbox" value="on" required>
<label for="sure">Nobody can log in with ${name} any more, and every session that began with it ends now</label></div>
<button class="danger" type="submit">Remove it</button>
</form>
</section>`;
}
