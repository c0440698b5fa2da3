/** Console: an API token that was just made, the only time it is shown. */
import type { NewApiToken } from '../api/api-tokens.ts';
import { html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { facts } from './settings-form.ts';

export interface NewTokenView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly isAdmin: boolean;
  readonly made: NewApiToken;
}

export function newTokenPage({ person, isAdmin, made: { token, api_token } }: NewTokenView): string {
  return layout({
    title: 'New API token',
    person,
    current: 'tokens',
    isAdmin,
    width: 'narrow',
    main: html`<section class="card">
<h1>Copy the token now</h1>
<p>It is shown this once. Whoever has it can use it: keep it where your program keeps its secrets.</p>
<p><code id="token">${token}</code></p>
${facts([
  ['Name', api_token.name],
  ['Account', api_token.account],
  ['At most', api_token.role_limit],
])}
<p>A program uses it with <code>SALLY_TOKEN</code> in its environment.</p>
<p class="actions"><a class="button" href="/console/tokens">Done</a></p>
</section>`,
  });
}
