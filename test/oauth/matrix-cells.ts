/**
 * What is tried at which endpoint. A row is a check with the section that asks for it; a cell is a request that is right
 * but for one thing, or the reason why the check has no place there. README.md beside this is the table in words, and a
 * test compares the two.
 */
import type { Change, ProofClaims } from './sally-client.ts';

export const columns = [
  'par',
  'authorize',
  'device authorization',
  'device page',
  'token: code',
  'token: refresh',
  'token: device',
  'token: exchange',
  'revocation',
  'API',
  'callback',
] as const;
export type Column = (typeof columns)[number];

/** One thing that is wrong. */
export interface Attack {
  readonly params?: Change;
  /** Of the secret that the endpoint takes: a code, a token, a request URI. */
  readonly secret?: 'cut' | 'extended' | 'unknown' | 'used before';
  readonly key?: 'none' | 'another';
  readonly proof?: Partial<ProofClaims>;
  /** The DPoP header as a whole. */
  readonly dpop?: (good: string) => Promise<string> | string;
  /** The same proof as in a request before, which was taken. */
  readonly replay?: boolean;
  readonly nonce?: 'none' | 'stale' | 'made up';
  readonly headers?: Record<string, string>;
  readonly body?: 'json' | 'twice' | 'in the address';
  readonly method?: 'GET';
  /** The request uses up what it presents: the next one needs another. */
  readonly spends?: boolean;
}

export interface Row {
  readonly check: string;
  readonly rfc: string;
  readonly cells: Readonly<Record<Column, Attack | string>>;
}

type Cells = Partial<Record<Column, Attack | string>>;

const posted = [
  'par',
  'device authorization',
  'token: code',
  'token: refresh',
  'token: device',
  'token: exchange',
] as const;
const tokens = ['token: code', 'token: refresh', 'token: device', 'token: exchange'] as const;

const browser = 'a browser’s page: no client, no proof';
const noClient = 'asked by no client';
const rest: Readonly<Record<string, Readonly<Partial<Record<Column, string>>>>> = {
  proof: {
    authorize: browser,
    'device page': browser,
    callback: browser,
    revocation: 'RFC 9449 binds no revocation: whoever has the token may end it',
  },
  begun: { callback: 'the identity provider’s reply', API: 'takes access tokens only' },
};

function every(where: readonly Column[], attack: Attack): Cells {
  return Object.fromEntries(where.map((column) => [column, attack]));
}

/** Cells, and for all columns that are left the reason. */
function row(check: string, rfc: string, cells: Cells, otherwise: string): Row {
  const all = columns.map((column) => [column, cells[column] ?? otherwise] as const);
  return { check, rfc, cells: Object.fromEntries(all) as Row['cells'] };
}

const proofRow = (check: string, rfc: string, attack: Attack, more: Cells = {}): Row =>
  row(`DPoP: ${check}`, rfc, { ...every([...posted, 'API'], attack), ...rest['proof'], ...more }, '');

const begins = 'begins with this request: there is no key yet to be another than';
const seconds = () => Math.floor(Date.now() / 1000);

export function matrix(): readonly Row[] {
  return [...proofRows(), ...requestRows(), ...grantRows(), ...formRows()];
}

function proofRows(): readonly Row[] {
  const other = 'only a proof for an access token has ath';
  return [
    proofRow('no proof', 'RFC 9449 5, 7.1, 10.1', { key: 'none' }),
    proofRow('two proofs', 'RFC 9449 4.3 (1)', { dpop: (good) => `${good}, ${good}` }),
    proofRow('no JWT', 'RFC 9449 4.3 (2)', { dpop: () => 'a.b.c' }),
    proofRow('iat missing', 'RFC 9449 4.3 (3)', { proof: { change: { iat: undefined } } }),
    proofRow('jti missing', 'RFC 9449 4.3 (3)', { proof: { change: { jti: undefined } } }),
    proofRow('typ', 'RFC 9449 4.3 (4)', { proof: { header: { typ: 'JWT' } } }),
    proofRow('alg none', 'RFC 9449 4.3 (5)', {
      dpop: (good) => `${encoded({ ...header(good), alg: 'none' })}.${good.split('.')[1]}.`,
    }),
    proofRow('alg symmetric', 'RFC 9449 4.3 (5)', {
      dpop: (good) => `${encoded({ ...header(good), alg: 'HS256' })}.${good.split('.').slice(1).join('.')}`,
    }),
    proofRow('signature', 'RFC 9449 4.3 (6)', { dpop: (good) => `${good.slice(0, -12)}AAAAAAAAAAAA` }),
    proofRow('private key in jwk', 'RFC 9449 4.3 (7)', {
      dpop: (good) => {
        const jwk = { ...(header(good)['jwk'] as object), d: 'A'.repeat(43) };
        return `${encoded({ ...header(good), jwk })}.${good.split('.').slice(1).join('.')}`;
      },
    }),
    proofRow('no jwk', 'RFC 9449 4.3 (7)', { proof: { header: { jwk: undefined } } }),
    proofRow('htm', 'RFC 9449 4.3 (8)', { proof: { htm: 'PUT' } }),
    proofRow('htu', 'RFC 9449 4.3 (9)', { proof: { htu: 'https://evil.test/oauth/token' } }),
    proofRow('nonce missing', 'RFC 9449 4.3 (10), 8, 9', { nonce: 'none' }),
    proofRow('nonce stale', 'RFC 9449 8.2', { nonce: 'stale' }),
    proofRow('nonce made up', 'RFC 9449 4.3 (10)', { nonce: 'made up' }),
    proofRow('iat old', 'RFC 9449 4.3 (11)', { proof: { change: { iat: seconds() - 400 } } }),
    proofRow('iat in the future', 'RFC 9449 4.3 (11)', { proof: { change: { iat: seconds() + 400 } } }),
    row(
      'DPoP: ath',
      'RFC 9449 4.3 (12)',
      { API: { proof: { change: { ath: 'x'.repeat(43) } } }, ...rest['proof'] },
      other,
    ),
    proofRow('jti used before', 'RFC 9449 11.1', { replay: true, spends: true }),
    proofRow(
      'another key',
      'RFC 9449 5, 6, 10',
      { key: 'another', spends: true },
      {
        par: begins,
        'device authorization': begins,
        'token: exchange': begins,
      },
    ),
  ];
}

function requestRows(): readonly Row[] {
  const asks = ['par', 'device authorization'] as const;
  const pushed = 'takes nothing but a pushed request';
  const noChallenge = 'no code goes through a browser';
  const onlyPar = { authorize: pushed, 'device authorization': noChallenge } as const;
  const noRequest = 'no authorization request';
  const parRow = (check: string, rfc: string, params: Change) =>
    row(check, rfc, { par: { params }, ...onlyPar }, noRequest);
  return [
    row('PAR: not pushed', 'RFC 9126 4', { authorize: { params: { request_uri: undefined } } }, noRequest),
    row('PAR: unknown request', 'RFC 9126 4', { authorize: { secret: 'unknown' } }, noRequest),
    row('PAR: request used before', 'RFC 9126 4, 7.3', { authorize: { secret: 'used before' } }, noRequest),
    row(
      'PAR: request_uri or request object inside',
      'RFC 9126 2.1',
      { par: { params: { request_uri: 'urn:ietf:params:oauth:request_uri:x' } }, ...onlyPar },
      noRequest,
    ),
    parRow('PKCE: no challenge', 'RFC 7636 4.4.1, RFC 9700 2.1.1', {
      code_challenge: undefined,
      code_challenge_method: undefined,
    }),
    parRow('PKCE: plain', 'RFC 7636 4.2, RFC 9700 2.1.1', { code_challenge_method: 'plain' }),
    parRow('PKCE: no method', 'RFC 7636 4.3', { code_challenge_method: undefined }),
    parRow('PKCE: challenge too short', 'RFC 7636 4.2', { code_challenge: 'x' }),
    row(
      'PKCE: no verifier',
      'RFC 7636 4.6',
      { 'token: code': { params: { code_verifier: undefined } } },
      noChallenge,
    ),
    row(
      'PKCE: empty verifier',
      'RFC 7636 4.6',
      { 'token: code': { params: { code_verifier: '' } } },
      noChallenge,
    ),
    row(
      'PKCE: wrong verifier',
      'RFC 7636 4.6',
      { 'token: code': { params: { code_verifier: 'x'.repeat(43) } } },
      noChallenge,
    ),
    row(
      'PKCE: downgrade',
      'RFC 9700 2.1.1, 4.8.2',
      { 'token: code': 'no request without a challenge is taken: see “no challenge”' },
      noChallenge,
    ),
    parRow('redirect_uri: other host', 'RFC 8252 8.3, RFC 9700 2.1', {
      redirect_uri: 'http://evil.test/callback',
    }),
    parRow('redirect_uri: other path', 'RFC 9700 2.1', { redirect_uri: 'http://127.0.0.1:4000/callback/x' }),
    parRow('redirect_uri: user information', 'RFC 9700 2.1', {
      redirect_uri: 'http://127.0.0.1:4000@evil.test/callback',
    }),
    parRow('redirect_uri: fragment', 'RFC 6749 3.1.2', { redirect_uri: 'http://127.0.0.1:4000/callback#x' }),
    parRow('redirect_uri: missing', 'RFC 9700 2.1', { redirect_uri: undefined }),
    row(
      'redirect_uri: not that of the request',
      'RFC 6749 4.1.3',
      { 'token: code': { params: { redirect_uri: 'http://127.0.0.1:1/callback' } } },
      noChallenge,
    ),
    parRow('response_type: implicit', 'RFC 9700 2.1.2', { response_type: 'token' }),
    parRow('max_age', 'OpenID Connect Core 3.1.2.1', { max_age: '-1' }),
    row('acr_values', 'RFC 9470 4', every(asks, { params: { acr_values: 'urn:evil' } }), noRequest),
    row(
      'session_id, provider',
      '(our own parameters)',
      every(asks, { params: { session_id: '../1' } }),
      noRequest,
    ),
    row(
      'resource',
      'RFC 8707 2',
      {
        ...every([...asks, ...tokens], { params: { resource: 'https://evil.test/' } }),
        // Asked for too late: the code is used up by then.
        ...every(['token: code', 'token: device'], {
          params: { resource: 'https://evil.test/' },
          spends: true,
        }),
        ...rest['begun'],
      },
      noRequest,
    ),
    row(
      'scope beyond the grant',
      'RFC 6749 6',
      { 'token: refresh': { params: { scope: 'openid offline_access profile' } } },
      'there is one scope, and what is unknown is left out',
    ),
  ];
}

function grantRows(): readonly Row[] {
  const secretRow = (check: string, secret: NonNullable<Attack['secret']>, more: Cells = {}): Row =>
    row(
      check,
      'RFC 6749 10.10, RFC 9700 4',
      {
        ...every([...tokens, 'authorize', 'revocation', 'API', 'callback', 'device page'], { secret }),
        par: 'takes no secret',
        'device authorization': 'takes no secret',
        ...more,
      },
      '',
    );
  return [
    secretRow('secret cut short', 'cut'),
    secretRow('secret made longer', 'extended'),
    secretRow('secret made up', 'unknown'),
    row(
      'secret used before',
      'RFC 6749 4.1.2, RFC 9700 4.14.2, RFC 8628 3.5',
      {
        ...every(['token: code', 'token: refresh', 'token: device', 'device page', 'callback'], {
          secret: 'used before',
          spends: true,
        }),
        authorize: 'see “PAR: request used before”',
        'token: exchange': 'an API token is good more than once, a CI token once: test/credentials',
        revocation: 'revoking again changes nothing',
        API: 'an access token is good until it expires',
      },
      'takes no secret',
    ),
    row(
      'unknown client',
      'RFC 6749 5.2',
      {
        ...every([...posted, 'authorize', 'revocation'], { params: { client_id: 'harry' } }),
        'device page': noClient,
        API: 'the token names the client: test/oauth/access-token.test.ts',
        callback: noClient,
      },
      '',
    ),
    row(
      'client authentication by a public client',
      'RFC 6749 2.3',
      {
        ...every([...posted, 'revocation'], { headers: { authorization: `Basic ${btoa('harry:secret')}` } }),
      },
      noClient,
    ),
    row(
      'grant type that is none of ours',
      'RFC 9700 2.4',
      {
        'token: code': { params: { grant_type: 'password' } },
        'token: refresh': { params: { grant_type: 'client_credentials' } },
      },
      'one endpoint, one check',
    ),
    row(
      'CSRF: no token in the form',
      'RFC 8628 5.4, RFC 9700 4.7',
      { 'device page': { params: { csrf_token: 'x'.repeat(43) } } },
      'no form',
    ),
    row(
      'another site’s page',
      'RFC 9700 4.7, 4.16',
      { 'device page': { headers: { origin: 'https://evil.test' } } },
      'moved by no cookie, or (authorize, callback) by a redirect from elsewhere on purpose',
    ),
    row('state', 'RFC 9700 4.7', { callback: { params: { state: undefined } } }, 'a client’s check'),
    row(
      'iss of another provider',
      'RFC 9207 2.4',
      { callback: { params: { iss: 'https://evil.test' }, spends: true } },
      'a client’s check; that authorize sends it: test/oauth/login.test.ts',
    ),
  ];
}

function formRows(): readonly Row[] {
  const address = 'a link';
  return [
    row(
      'content type',
      'RFC 6749 4.1.3, B',
      {
        ...every([...posted, 'revocation', 'device page'], { body: 'json' }),
        API: 'reads no body for this',
      },
      address,
    ),
    row(
      'a parameter twice',
      'RFC 6749 3.1, 3.2',
      {
        ...every([...posted, 'revocation', 'device page', 'authorize'], { body: 'twice' }),
        callback: { body: 'twice', spends: true },
        API: 'reads no parameter for this',
      },
      address,
    ),
    row(
      'parameters in the address',
      'RFC 6749 2.3.1, RFC 9700 4.3.2',
      {
        ...every([...posted, 'revocation', 'device page', 'API'], { body: 'in the address' }),
      },
      address,
    ),
    row(
      'method',
      'RFC 6749 3.2, RFC 9126 2.1',
      {
        ...every([...posted, 'revocation'], { method: 'GET' }),
        'device page': 'GET shows the form',
        API: 'of the proof: see htm',
      },
      address,
    ),
  ];
}

function header(proof: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(proof.split('.')[0] ?? '', 'base64url').toString());
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
