/** What the browser shows when the login has come back to `sally`. */
import { createHash } from 'node:crypto';

const style = `
:root{color-scheme:light dark;--paper:#f6f5f2;--card:#fff;--ink:#1c2321;--soft:#5d6a66;--good:#1c7c54;--bad:#b3372f}
@media(prefers-color-scheme:dark){:root{--paper:#151917;--card:#1e2422;--ink:#eef1ef;--soft:#9fada8;--good:#5cc795;--bad:#f0897f}}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{background:var(--card);border-radius:14px;padding:2.5rem 3rem;max-width:26rem;margin:1rem;box-shadow:0 1px 3px #0002,0 10px 30px #0001}
h1{font-size:1.35rem;margin:0 0 .5rem}p{margin:0;color:var(--soft)}
.mark{font-size:2rem;line-height:1;margin-bottom:1rem;color:var(--good)}.mark.bad{color:var(--bad)}
`;

export interface CallbackPage {
  readonly status: number;
  readonly html: string;
}

export const callbackHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  connection: 'close',
};

export const loggedInPage: CallbackPage = {
  status: 200,
  html: page('You are logged in', 'You may close this page and go back to the terminal.', true),
};

export const failedPage: CallbackPage = {
  status: 400,
  html: page(
    'The login did not work',
    'The terminal says why, and what to do next. You may close this page.',
    false,
  ),
};

export const strayPage: CallbackPage = {
  status: 400,
  html: page(
    'This is not the login that was started',
    'Go back to the terminal and use the address that it shows.',
    false,
  ),
};

function page(title: string, text: string, good: boolean): string {
  const mark = good ? '<div class="mark">&#10003;</div>' : '<div class="mark bad">&#10007;</div>';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${title} - Sallyport</title><style>${style}</style></head>
<body><main>${mark}<h1>${title}</h1><p>${text}</p></main></body></html>
`;
}
