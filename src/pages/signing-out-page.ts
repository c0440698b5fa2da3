/**
 * On the way out: the browser goes on to the identity provider's own page. By a form, so that the ID token which names the
 * session there stands in no address (OpenID Connect RP-Initiated Logout 1.0 section 2 allows both).
 */
import { submitScriptAsset } from './assets.ts';
import { html } from './html.ts';
import { layout } from './layout.ts';

export interface SigningOutView {
  /** For people. */
  readonly provider: string;
  readonly action: string;
  readonly fields: readonly (readonly [string, string])[];
}

export function signingOutPage({ provider, action, fields }: SigningOutView): string {
  return layout({
    title: 'Signing out',
    width: 'narrow',
    main: html`<section class="card message">
<h1>You are signed out here</h1>
<p>One more step signs you out of ${provider} in this browser.</p>
<form class="actions" method="post" action="${action}" data-submit>
${fields.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">\n`)}
<button type="submit">Sign out of ${provider}</button>
<a class="button plain" href="/console/signed-out">Stay signed in there</a>
</form>
</section>
<script src="${submitScriptAsset.path}" defer></script>`,
  });
}

/** Its form goes to the provider, which may send the browser on to further hosts (browsers apply form-action to those). */
export function signingOutPolicy(action: URL): string {
  return [
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    `form-action 'self' ${action.origin} https:`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
