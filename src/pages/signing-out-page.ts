/**
 * On the way out: the browser goes on to the identity provider's own page by itself (sent with a Refresh header, since a
 * form's redirects are held to form-action, CSP level 3 section 6.4.1, which can't name everybody's provider).
 */
import { html } from './html.ts';
import { layout } from './layout.ts';

export interface SigningOutView {
  /** For people. */
  readonly provider: string;
  readonly address: string;
}

export function signingOutPage({ provider, address }: SigningOutView): string {
  return layout({
    title: 'Signing out',
    width: 'narrow',
    main: html`<section class="card message">
<h1>You are signed out here</h1>
<p>${provider} can sign you out as well, and may ask you whether it should. You are taken there now.</p>
<p class="actions"><a class="button" href="${address}">Go on</a></p>
</section>`,
  });
}
