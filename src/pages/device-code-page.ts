/** Where a person types the code that a terminal shows them. */
import { html } from './html.ts';
import { layout } from './layout.ts';

export interface DeviceCodeView {
  readonly csrfToken: string;
  readonly problem: string | null;
}

export function deviceCodePage({ csrfToken, problem }: DeviceCodeView): string {
  return layout({
    title: 'Log a machine in',
    width: 'narrow',
    main: html`<section class="card">
<h1>Log a machine in</h1>
<p>Type the code that <code>sally login --device</code> shows on the machine that you want to log in on.</p>
<p><strong>Did somebody send you here, or tell you a code?</strong> Then close this window: they want to log in as you.
Nobody from support will ever ask for this.</p>
${problem !== null && html`<p class="problem" role="alert" id="problem">${problem}</p>`}
<form method="post" action="/device">
<input type="hidden" name="csrf_token" value="${csrfToken}">
<div class="field">
<label for="user-code">Code</label>
<input id="user-code" name="user_code" required maxlength="20" autocomplete="off" autocapitalize="characters"
 spellcheck="false" placeholder="XXXX-XXXX" ${problem !== null && describedByProblem}>
</div>
<p class="actions"><button type="submit">Continue</button></p>
</form>
</section>`,
  });
}

const describedByProblem = html`aria-invalid="true" aria-describedby="problem"`;

/** The browser goes on by itself. */
export function deviceCodeAcceptedPage(next: string): string {
  return layout({
    title: 'Log in to go on',
    width: 'narrow',
    main: html`<section class="card message">
<h1>Log in to go on</h1>
<p>The code is right. Before you decide about that machine, log in yourself.</p>
<p class="actions"><a class="button" href="${next}">Log in</a></p>
</section>`,
  });
}
