/** The frame around every page: one header, one main part, one footer line. */
import { refreshScriptAsset, stylesheetAsset } from './assets.ts';
import { type Html, html } from './html.ts';

export type ConsolePage =
  | 'targets'
  | 'sessions'
  | 'connections'
  | 'accounts'
  | 'companions'
  | 'sign-in'
  | 'tokens'
  | 'security';

export interface PageFrame {
  /** Of the window and, unless main has its own, nothing else. */
  readonly title: string;
  readonly main: Html;
  /** The person signed in; absent on login pages and errors. */
  readonly person?: { readonly account: string; readonly csrfToken: string };
  readonly current?: ConsolePage;
  /** Shows the pages that only admins have. */
  readonly isAdmin?: boolean;
  /** narrow: one card in the middle, for a question or a message. */
  readonly width?: 'wide' | 'narrow';
}

/** A whole document as text, ready to send. Never reads anything but its arguments. */
export function layout(frame: PageFrame): string {
  const width = frame.width ?? 'wide';
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${frame.title} · Sallyport</title>
<link rel="stylesheet" href="${stylesheetAsset.path}">
<script src="${refreshScriptAsset.path}" defer></script>
</head>
<body class="${width}">
<a class="skip" href="#main">Skip to content</a>
<header class="bar">
<span class="brand">${mark}<span>Sallyport</span></span>
${frame.person && navigation(frame)}
</header>
<main id="main" tabindex="-1">
${frame.main}
</main>
</body>
</html>
`.text;
}

const consolePages: readonly {
  readonly name: ConsolePage;
  readonly path: string;
  readonly text: string;
  readonly adminsOnly?: true;
}[] = [
  { name: 'targets', path: '/console/targets', text: 'Targets' },
  { name: 'sessions', path: '/console/sessions', text: 'Sessions' },
  { name: 'connections', path: '/console/connections', text: 'Connections' },
  { name: 'accounts', path: '/console/accounts', text: 'Accounts', adminsOnly: true },
  { name: 'companions', path: '/console/companions', text: 'Machines', adminsOnly: true },
  { name: 'sign-in', path: '/console/sign-in-settings', text: 'Sign-in', adminsOnly: true },
  { name: 'tokens', path: '/console/tokens', text: 'Tokens' },
  { name: 'security', path: '/console/security', text: 'Security' },
];

function navigation(frame: PageFrame): Html {
  const isAdmin = frame.isAdmin ?? false;
  const shown = consolePages.filter(({ adminsOnly }) => isAdmin || !adminsOnly);
  return html`<nav aria-label="Console">
${shown.map(
  ({
    name,
    path,
    text,
  }) => html`<a href="${path}" ${frame.current === name && html`aria-current="page"`}>${text}</a>
`,
)}</nav>
<form class="who" method="post" action="/console/sign-out">
<input type="hidden" name="csrf_token" value="${frame.person?.csrfToken}">
<bdi class="account" title="${frame.person?.account}">${frame.person?.account}</bdi>
<button class="quiet" type="submit">Sign out</button>
</form>`;
}

/** A gate in a wall. */
const mark = html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
<path class="wall" d="M3 9V4h5v3h4V4h8v3h4V4h5v24H3z"/>
<path class="gate" d="M11 28V18a5 5 0 0 1 10 0v10z"/>
</svg>`;
