/** The pages between a login at the identity provider and its end: a passkey is asked for, or enrolled. */
import { type Html, html } from './html.ts';
import { layout } from './layout.ts';
import { messagePage } from './message-page.ts';

export interface PasskeyView {
  readonly step: 'assert' | 'enrol';
  readonly account: string;
  /** The opaque name of this step. */
  readonly handle: string;
  /** What the browser is asked for: JSON of WebAuthn's options. */
  readonly options: string;
  /** What went wrong before. */
  readonly problem: string | null;
  readonly hasRecoveryCodes: boolean;
  /** Whether another passkey is enrolled after this one was shown. */
  readonly thenEnrol: boolean;
  /** Paths of the scripts, in their order. */
  readonly scripts: readonly string[];
}

export function passkeyPage(view: PasskeyView): string {
  const isNew = view.step === 'enrol';
  const title = isNew ? 'Add a passkey' : 'Use your passkey';
  return layout({
    title,
    width: 'narrow',
    main: html`<section class="card message">
<h1>${title}</h1>
<p>${words(view)}</p>
<form method="post" action="/login/passkey" data-passkey="${view.step}" data-options="${view.options}">
<input type="hidden" name="login" value="${view.handle}">
<input type="hidden" name="response" value="">
${isNew && nameField}
<p role="alert" class="problem">${view.problem}</p>
<p class="actions"><button type="submit">${isNew ? 'Add passkey' : 'Use passkey'}</button></p>
</form>
<noscript><p class="problem">Passkeys need JavaScript, which is switched off in this browser.</p></noscript>
${!isNew && view.hasRecoveryCodes && html`<p class="note"><a href="/login/recovery/${view.handle}">I have no passkey at hand</a></p>`}
</section>
${view.scripts.map((path) => html`<script src="${path}" defer></script>\n`)}`,
  });
}

const nameField = html`<div class="field"><label for="name">Name, so that you know it again</label>
<input id="name" name="name" type="text" maxlength="60" value="Passkey" required autocomplete="off"></div>`;

function words({ step, account, thenEnrol }: PasskeyView): Html {
  const who = html`<strong><bdi>${account}</bdi></strong>`;
  if (step === 'enrol') {
    return html`You are logged in as ${who}. A passkey on this device or on a security key is your second factor here.`;
  }
  return thenEnrol
    ? html`You are logged in as ${who}. Show one of your passkeys before you add another.`
    : html`You are logged in as ${who}. This login needs a second factor.`;
}

export interface RecoveryView {
  readonly account: string;
  readonly handle: string;
  readonly problem: string | null;
}

export function recoveryPage({ account, handle, problem }: RecoveryView): string {
  const title = 'Use a recovery code';
  return layout({
    title,
    width: 'narrow',
    main: html`<section class="card message">
<h1>${title}</h1>
<p>One of the codes that you kept for <strong><bdi>${account}</bdi></strong> lets you add a new passkey. It works once.</p>
<form method="post" action="/login/recovery">
<input type="hidden" name="login" value="${handle}">
<div class="field"><label for="code">Recovery code</label>
<input id="code" name="code" type="text" maxlength="40" required autocomplete="off" autocapitalize="none" spellcheck="false"></div>
<p role="alert" class="problem">${problem}</p>
<p class="actions"><button type="submit">Go on</button> <a class="button plain" href="/login/passkey/${handle}">Use a passkey instead</a></p>
</form>
</section>`,
  });
}

export interface NewCodesView {
  readonly codes: readonly string[];
  /** Where it goes on. */
  readonly next: string;
}

export function recoveryCodesPage({ codes, next }: NewCodesView): string {
  const title = 'Keep your recovery codes';
  return layout({
    title,
    width: 'narrow',
    main: html`<section class="card message good">
<h1>${title}</h1>
<p>If you lose your passkeys, each of these codes lets you add a new one, once. They are not shown again: print them, or keep
them in a password manager. Codes that you had before no longer work.</p>
<ol class="codes">
${codes.map((code) => html`<li><code>${code}</code></li>\n`)}</ol>
<p class="actions"><a class="button" href="${next}">I have kept them</a></p>
</section>`,
  });
}

/** Shown for a moment: the browser goes on by itself. */
export function goingOnPage(next: string): string {
  return messagePage({
    title: 'One moment',
    paragraphs: ['This goes on by itself.'],
    action: { href: next, text: 'Go on' },
  });
}
