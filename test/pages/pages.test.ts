import { expect, test } from 'vitest';
import type { SessionDocument } from '../../src/api/sessions.ts';
import { shortClientName } from '../../src/api/short-client-name.ts';
import { assets, contentSecurityPolicy } from '../../src/pages/assets.ts';
import { companionsPage } from '../../src/pages/companions-page.ts';
import { connectionsPage } from '../../src/pages/connections-page.ts';
import { endSessionPage } from '../../src/pages/end-session-page.ts';
import { html } from '../../src/pages/html.ts';
import { messagePage } from '../../src/pages/message-page.ts';
import { sessionPage } from '../../src/pages/session-page.ts';
import { sessionsPage } from '../../src/pages/sessions-page.ts';
import { sshPage } from '../../src/pages/ssh-page.ts';

const hostile = `"><script>alert(1)</script><img src=x onerror='alert(2)'>\${3}&amp;`;
const nowSeconds = 1_800_000_000;
const person = { account: hostile, csrfToken: hostile };
const session: SessionDocument = {
  id: 'a2c5f5a0-0d3c-4a8e-9d8e-1c8f1d8c2a11',
  account: hostile,
  kind: 'helper',
  provider: hostile,
  mfa: true,
  mfa_by: 'provider',
  mfa_time: nowSeconds - 60,
  amr: [hostile],
  auth_time: nowSeconds - 60,
  created_at: nowSeconds - 60,
  last_used_at: nowSeconds - 1,
  expires_at: nowSeconds + 600,
  idle_ends_at: null,
  ended_at: null,
  ended_reason: null,
  client_address: hostile,
  client_name: hostile,
  credential_id: null,
  connections: 1,
  certificates: 2,
};
const companion = { name: hostile, kind: 'gateway', acknowledged: false, connections_ended: 1 } as const;

const pages: Record<string, string> = {
  sessions: sessionsPage({
    person,
    organization: hostile,
    isAdmin: true,
    ownSessionId: '',
    sessions: [session],
    nowSeconds,
  }),
  'end session': endSessionPage({ person, isAdmin: true, isOwnBrowser: false, session, nowSeconds }),
  session: sessionPage({ person, isAdmin: true, session, companions: [companion], nowSeconds }),
  ssh: sshPage({
    publicUrl: hostile,
    info: {
      suffix: hostile,
      gateways: [
        {
          name: hostile,
          address: hostile,
          host_names: [hostile],
          ports: [22],
          host_keys: [{ type: hostile, fingerprint: hostile }],
        },
      ],
      host_authorities: [{ type: hostile, fingerprint: hostile, public_key: hostile, known_hosts: hostile }],
      user_authorities: [{ type: hostile, fingerprint: hostile, public_key: hostile }],
    },
  }),
  companions: companionsPage({
    person,
    organization: hostile,
    machines: {
      version: '7',
      companions: [
        {
          name: hostile,
          kind: 'gateway',
          address: hostile,
          port: 22,
          enrolled: true,
          online: false,
          last_seen_at: 1,
          acknowledged_version: '6',
          acknowledged_at: 1,
          behind: { since: 1, ended_sessions: 2 },
          problem: hostile,
          krl_excess_bytes: 5,
        },
      ],
    },
    nowSeconds,
  }),
  connections: connectionsPage({
    person,
    organization: hostile,
    isAdmin: true,
    connections: [
      {
        account: hostile,
        session_id: session.id,
        companion: hostile,
        companion_kind: 'gateway',
        target: hostile,
        way: 'relay',
        started_at: 1,
        client_address: hostile,
        ending: true,
      },
    ],
    nowSeconds,
  }),
  message: messagePage({
    title: hostile,
    paragraphs: [hostile],
    action: { href: hostile, text: hostile },
    note: hostile,
  }),
};

/** Tags with their attributes' values left out: what a browser can read as markup. */
function withoutQuoted(page: string): string {
  return page.replace(/"[^"]*"/g, '""');
}

test.each(Object.entries(pages))('the %s page shows hostile names as text only', (_name, page) => {
  expect(page).toContain('&#60;script&#62;alert(1)');
  expect(page).not.toContain('<script>');
  expect(page).not.toContain('<img');
  expect(withoutQuoted(page)).not.toMatch(/<[^>]*\son[a-z]+/);
});

test.each(Object.entries(pages))(
  'the %s page has nothing inline that the policy would block',
  (_name, page) => {
    expect(withoutQuoted(page)).not.toMatch(/<style|\sstyle=|<script(?![^>]*\ssrc="")|<[^>]*\son[a-z]+=/);
  },
);

test('a template escapes text, keeps markup and leaves nothing for null', () => {
  expect(html`<b>!${'<i>'}</b>${html`<u>${1}</u>`}${null}${[html`a`, html`b`]}`.text).toBe(
    '<b>!&#60;i&#62;</b><u>1</u>ab',
  );
});

test('an asset is named after its content', () => {
  for (const { path } of assets) expect(path).toMatch(/^\/assets\/[a-z]+-[0-9a-f]{16}\.(css|js)$/);
});

test('the policy allows no inline script or style and no frame', () => {
  const policy = contentSecurityPolicy();
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain('unsafe');
});

test.each([
  [
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36',
    'Chrome on Linux',
  ],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15',
    'Safari on macOS',
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0',
    'Edge on Windows',
  ],
  ['Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0', 'Firefox on Android'],
  ['alices-laptop', 'alices-laptop'],
  ['x'.repeat(61), `${'x'.repeat(60)}…`],
])('a client that calls itself %s is shown as %s', (name, shown) => {
  expect(shortClientName(name)).toBe(shown);
});
