/** Pages of the demo identity provider. Pure; every value is escaped, nothing is inline. */
import { createHash } from 'node:crypto';
import { type Html, html } from '../pages/html.ts';
import { stylesheet } from '../pages/stylesheet.ts';
import type { CurrentCode } from './identity-provider-login.ts';

export interface LoginPage {
  /** Where the form is sent. */
  readonly action: string;
  /** What the person logs in for, such as "Sallyport". */
  readonly service: string;
  readonly username: string;
  readonly problem: string | null;
  readonly people: readonly { readonly username: string; readonly name: string }[];
  readonly codes: readonly CurrentCode[];
}

const ownStyles = `
body { min-height: 100vh; }
.login { display: grid; gap: 1.25rem; max-width: 26rem; margin: 0 auto; padding: clamp(1.5rem, 8vh, 5rem) 1rem 3rem; }
.login .card { padding: clamp(1.25rem, 5vw, 2rem); }
.who-asks { display: flex; align-items: center; gap: .75rem; margin-bottom: 1.25rem; }
.who-asks .seal { width: 2.5rem; height: 2.5rem; flex: none; }
.seal circle { fill: var(--accent); }
.seal path { fill: none; stroke: var(--accent-text); stroke-width: 2.5; stroke-linecap: round; stroke-linejoin: round; }
.who-asks h1 { margin: 0; }
.who-asks p { margin: 0; color: var(--soft); font-size: .9375rem; }
.field small { font-weight: 400; }
.field input[name=otp] { letter-spacing: .25em; font-variant-numeric: tabular-nums; }
.login form button { width: 100%; margin-top: .25rem; }
.alert { padding: .75rem 1rem; border-radius: 10px; background: var(--bad-ground); color: var(--bad); font-size: .9375rem; }
.demo { font-size: .9375rem; }
.demo h2 { margin: 0 0 .25rem; font-size: 1rem; }
.demo p { margin: 0; color: var(--soft); font-size: .875rem; }
.codes { list-style: none; margin: .875rem 0; padding: 0; border-top: 1px solid var(--edge); }
.codes li { display: flex; align-items: baseline; gap: .75rem; padding: .5rem 0; border-bottom: 1px solid var(--edge); }
.codes .name { flex: 1; font-weight: 550; }
.codes output { font: 600 1.0625rem ui-monospace, 'SFMono-Regular', Menlo, Consolas, monospace; letter-spacing: .08em; }
.codes small { min-width: 5.5rem; text-align: right; font-variant-numeric: tabular-nums; }
`;

/** The one style sheet, under a path with its content's hash. */
export const styles = (() => {
  const text = stylesheet + ownStyles;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return { path: `/assets/identity-provider-${hash}.css`, text };
})();

/**
 * `form-action` names loopback origins because browsers apply it along the redirects that end a login, which lead over
 * the service to its helper's listener.
 */
export const contentSecurityPolicy =
  `default-src 'none'; style-src 'self'; form-action 'self' http://127.0.0.1:* http://localhost:*; ` +
  `base-uri 'none'; frame-ancestors 'none'`;

export function loginPage({ action, service, username, problem, people, codes }: LoginPage): string {
  return page(
    'Log in',
    html`<section class="card">
<div class="who-asks">${seal}<div><h1>Log in</h1><p>to continue to ${service}</p></div></div>
${problem && html`<p class="alert" role="alert">${problem}</p>`}
<form method="post" action="${action}">
<div class="field"><label for="username">Name</label>
<input id="username" name="username" value="${username}" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus></div>
<div class="field"><label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required></div>
<div class="field"><label for="otp">One-time code <small>if you have one</small></label>
<input id="otp" name="otp" inputmode="numeric" autocomplete="one-time-code" maxlength="7"></div>
<button type="submit">Log in</button>
</form>
</section>
<aside class="card demo" aria-label="About this demo">
<h2>This is a demo</h2>
<p>An identity provider on your own machine. The passwords were printed when it first started; the codes would be in
an authenticator, so here they are:</p>
<ul class="codes">${people.map((person) => personLine(person, codes))}</ul>
<p>A code is good once. Reload the page to see the next one.</p>
</aside>`,
  );
}

export function errorPage(title: string, text: string): string {
  return page(
    title,
    html`<section class="card">
<div class="who-asks">${seal}<h1>${title}</h1></div>
<p>${text}</p>
</section>`,
  );
}

function personLine({ username, name }: LoginPage['people'][number], codes: readonly CurrentCode[]): Html {
  const current = codes.find((each) => each.username === username);
  return html`<li><span class="name" title="${name}">${username}</span> ${current ? codeOf(current) : html`<small>no second factor</small>`}</li>`;
}

function codeOf({ username, code, secondsLeft }: CurrentCode): Html {
  if (code === null) return html`<small>new code in ${secondsLeft} s</small>`;
  return html`<output data-one-time-code-of="${username}">${code}</output> <small>${secondsLeft} s left</small>`;
}

function page(title: string, main: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Acme demo identity provider</title>
<link rel="stylesheet" href="${styles.path}">
</head>
<body>
<main class="login">
${main}
</main>
</body>
</html>
`.text;
}

/** A person in a circle: not Sallyport's gate, since this is somebody else's page. */
const seal = html`<svg class="seal" viewBox="0 0 40 40" aria-hidden="true" focusable="false">
<circle cx="20" cy="20" r="20"/><path d="M20 20a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM10 31c1-5 5-7.500 10-7.500s9 2.500 10 7.500"/>
</svg>`;
