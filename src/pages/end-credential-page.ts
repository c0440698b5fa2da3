/** Console: the question before an API token is revoked or a CI rule removed. */
import { html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { facts, hiddenToken } from './settings-form.ts';

export interface EndCredentialView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly isAdmin: boolean;
  readonly question: string;
  readonly verb: 'Revoke' | 'Remove';
  /** Where the form goes. */
  readonly action: string;
  readonly facts: readonly (readonly [string, string])[];
}

export function endCredentialPage(view: EndCredentialView): string {
  return layout({
    title: view.verb,
    person: view.person,
    current: 'tokens',
    isAdmin: view.isAdmin,
    width: 'narrow',
    main: html`<section class="card">
<h1>${view.question}</h1>
<p>The sessions that it gave end with it: their certificates stop working at once and their live connections are cut.</p>
${facts(view.facts)}
<form class="actions" method="post" action="${view.action}">
${hiddenToken(view.person)}
<button class="danger" type="submit">${view.verb}</button>
<a class="button plain" href="/console/tokens">Keep it</a>
</form>
</section>`,
  });
}
