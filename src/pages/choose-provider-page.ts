/** Which identity provider, where there are several: asked at every login, since nothing is remembered of the last. */
import { html } from './html.ts';
import { layout } from './layout.ts';

export interface ProviderChoice {
  /** Whoever set it up chose it, so the other two stand beside it. */
  readonly name: string;
  /** Slug. */
  readonly organization: string;
  /** Of the issuer: where one is taken. */
  readonly host: string;
  /** Ours: where the choice leads. */
  readonly href: string;
}

export function chooseProviderPage({ providers }: { readonly providers: readonly ProviderChoice[] }): string {
  return layout({
    title: 'Log in',
    width: 'narrow',
    main: html`<section class="card">
<h1>Where do you log in?</h1>
<p>Choose the identity provider that your organization gave you an account at.</p>
<div class="actions">
${providers.map(
  ({ name, organization, host, href }) =>
    html`<a class="button plain" href="${href}"><bdi>${name}</bdi> <small>${organization}, at ${host}</small></a>`,
)}
</div>
</section>`,
  });
}
