/** A right request to each endpoint, and the same with one thing wrong. */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { csrfTokenOf, DeviceBrowser } from './device-browser.ts';
import type { Attack, Column } from './matrix-cells.ts';
import { type MatrixWorld, person } from './matrix-world.ts';
import { RedirectWalk } from './redirect-walk.ts';
import { newProofKey, type ProofKey, proof } from './sally-client.ts';

export interface Outcome {
  readonly taken: boolean;
  /** For whoever reads a failing test. */
  readonly said: string;
}

/** Something that one request of the column may use up. */
interface Prepared {
  readonly secret: string;
  send(secret: string, attack: Attack, dpop?: string): Promise<Outcome & { readonly dpop?: string }>;
}

export class Endpoint {
  readonly #world: MatrixWorld;
  readonly #prepare: (world: MatrixWorld) => Promise<Prepared>;
  #prepared: Prepared | undefined;

  constructor(world: MatrixWorld, column: Column) {
    this.#world = world;
    this.#prepare = preparations[column];
  }

  /** What one refused request leaves serves the next, so that none may use anything up unless its cell says so. */
  async attempt(attack: Attack): Promise<Outcome> {
    await this.#world.forgetLimits();
    const prepared = this.#prepared ?? (await this.#prepare(this.#world));
    this.#prepared = undefined;
    const { secret } = prepared;
    if (attack.secret === 'used before') {
      const first = await prepared.send(secret, {});
      if (!first.taken) throw new Error(`the first was not taken: ${first.said}`);
      await this.#world.forgetLimits();
    }
    let dpop: string | undefined;
    if (attack.replay) {
      const first = await prepared.send(secret, {});
      if (!first.taken) throw new Error(`the first was not taken: ${first.said}`);
      ({ dpop } = first);
    }
    const next = attack.replay ? await again(this.#prepare, this.#world, prepared) : prepared;
    const outcome = await next.send(changed(next.secret, attack.secret), attack, dpop);
    if (!outcome.taken && !attack.spends && attack.secret !== 'used before') this.#prepared = next;
    return outcome;
  }
}

/** A replayed proof needs the key of the first request, so the client stays where it can. */
async function again(
  prepare: (world: MatrixWorld) => Promise<Prepared>,
  world: MatrixWorld,
  before: Prepared,
): Promise<Prepared> {
  await world.forgetLimits();
  return (before as Prepared & { renew?: () => Promise<Prepared> }).renew?.() ?? (await prepare(world));
}

function changed(secret: string, how: Attack['secret']): string {
  if (how === 'cut') return secret.slice(0, -1);
  if (how === 'extended') return `${secret}B`;
  return how === 'unknown' ? `BCDFGHJK${randomBytes(24).toString('base64url')}` : secret;
}

type Client = Awaited<ReturnType<MatrixWorld['client']>>;

interface Post {
  readonly path: string;
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly client: Client;
  taken(response: Response, body: Record<string, unknown>): boolean | Promise<boolean>;
}

/** A request of a client, with everything that an attack may change about it. */
async function post(
  world: MatrixWorld,
  { path, params, client, taken }: Post,
  attack: Attack,
  replayed?: string,
): Promise<Outcome & { readonly dpop?: string }> {
  const { issuer } = world.running;
  const url = `${issuer}${path}`;
  const dpop = replayed ?? (await header(world, url, client.key, attack));
  const given = Object.entries({ ...params, ...attack.params }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  const form = new URLSearchParams(given);
  if (attack.body === 'twice') form.append(given[0]?.[0] ?? '', given[0]?.[1] ?? '');
  const inAddress = attack.body === 'in the address' || attack.method === 'GET';
  const response = await fetch(inAddress ? `${url}?${form}` : url, {
    method: attack.method ?? 'POST',
    headers: {
      ...(dpop === undefined ? {} : { dpop }),
      'content-type': attack.body === 'json' ? 'application/json' : 'application/x-www-form-urlencoded',
      ...attack.headers,
    },
    ...(attack.method === 'GET'
      ? {}
      : {
          body: inAddress
            ? ''
            : attack.body === 'json'
              ? JSON.stringify(Object.fromEntries(given))
              : form.toString(),
        }),
  });
  const text = await response.text();
  const body = text.startsWith('{') ? JSON.parse(text) : {};
  const said = `${response.status} ${text.slice(0, 200)}`;
  return { taken: await taken(response, body), said, ...(dpop === undefined ? {} : { dpop }) };
}

async function header(
  { running }: MatrixWorld,
  htu: string,
  bound: ProofKey,
  { key, nonce, proof: claims, dpop }: Attack,
  more: { readonly htm: string; readonly accessToken?: string } = { htm: 'POST' },
): Promise<string | undefined> {
  if (key === 'none') return undefined;
  const nonces = {
    none: undefined,
    stale: running.nonce(new Date(Date.now() - 600_000)),
    'made up': randomBytes(32).toString('base64url'),
  };
  const wanted = nonce === undefined ? running.nonce() : nonces[nonce];
  const by = key === 'another' ? await newProofKey() : bound;
  const good = await proof(by, {
    htu,
    ...more,
    ...(wanted === undefined ? {} : { nonce: wanted }),
    ...claims,
  });
  return dpop ? await dpop(good) : good;
}

const isToken = (_response: Response, body: Record<string, unknown>) =>
  typeof body['access_token'] === 'string';

function poster(
  world: MatrixWorld,
  client: Client,
  path: string,
  taken: Post['taken'],
  paramsOf: (secret: string) => Post['params'],
): Prepared['send'] {
  return (secret, attack, dpop) =>
    post(world, { path, client, taken, params: paramsOf(secret) }, attack, dpop);
}

const preparations: Readonly<Record<Column, (world: MatrixWorld) => Promise<Prepared>>> = {
  par: async (world) => {
    const client = await world.client();
    const send = poster(
      world,
      client,
      '/request',
      ({ status }) => status === 201,
      () => client.parameters(),
    );
    return renewable({ secret: '', send });
  },

  authorize: async (world) => {
    const client = await world.client();
    const { body } = await client.push({ provider: 'corp' });
    const walk = new RedirectWalk();
    return {
      secret: String(body['request_uri']),
      send: async (request_uri, attack) => {
        const pushed = { client_id: 'sally', request_uri, ...attack.params };
        const given = 'request_uri' in (attack.params ?? {}) ? client.parameters(attack.params) : pushed;
        const url = new URL(`${world.running.issuer}/auth`);
        url.search = new URLSearchParams(given as Record<string, string>).toString();
        if (attack.body === 'twice') url.searchParams.append('client_id', 'sally');
        const response = await walk.fetch(url);
        const location = response.headers.get('location') ?? '';
        const taken = location.includes('/oauth/interaction/');
        // Used up by the login that it began.
        const landed = ({ port }: URL) => port === String(world.landing.port);
        if (taken) await walk.until(new URL(location, url), person, landed);
        return { taken, said: `${response.status} ${location}` };
      },
    };
  },

  'device authorization': async (world) => {
    const client = await world.client();
    const { client_id, scope, resource } = client.parameters();
    const isCode: Post['taken'] = (_response, body) => typeof body['user_code'] === 'string';
    const send = poster(world, client, '/device_authorization', isCode, () => ({
      client_id,
      scope,
      resource,
    }));
    return renewable({ secret: '', send });
  },

  'device page': async (world) => {
    const client = await world.client();
    const { body } = await client.askForDevice();
    const { address, publicUrl, database } = world.running;
    const page = await fetch(`${address}/device`);
    const cookie = page.headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ');
    const csrf_token = csrfTokenOf({ url: publicUrl, status: 200, text: await page.text() });
    return {
      secret: String(body['user_code']),
      send: async (user_code, attack) => {
        const form = new URLSearchParams({
          csrf_token,
          user_code,
          ...(attack.params as Record<string, string>),
        });
        if (attack.body === 'twice') form.append('user_code', user_code);
        const inAddress = attack.body === 'in the address';
        const response = await fetch(`${address}/device${inAddress ? `?${form}` : ''}`, {
          method: 'POST',
          headers: {
            cookie,
            origin: publicUrl.origin,
            'content-type': attack.body === 'json' ? 'application/json' : 'application/x-www-form-urlencoded',
            ...attack.headers,
          },
          body: inAddress
            ? ''
            : attack.body === 'json'
              ? JSON.stringify(Object.fromEntries(form))
              : form.toString(),
        });
        const taken = (await response.text()).includes('The code is right');
        // Decided.
        if (taken) {
          await database.db
            .updateTable('oauth_records')
            .set({ payload: sql`payload || '{"error":"access_denied"}'::jsonb` })
            .where('model', '=', 'DeviceCode')
            .execute();
        }
        return { taken, said: String(response.status) };
      },
    };
  },

  'token: code': async (world) => {
    const { client, code } = await world.code();
    return {
      secret: code,
      send: poster(world, client, '/token', isToken, (secret) => ({
        client_id: 'sally',
        grant_type: 'authorization_code',
        code: secret,
        redirect_uri: client.redirectUri,
        code_verifier: client.verifier,
      })),
    };
  },

  'token: refresh': async (world) => {
    const { client, refresh } = await world.tokens();
    const paramsOf = (refresh_token: string) => ({
      client_id: 'sally',
      grant_type: 'refresh_token',
      refresh_token,
    });
    const send = poster(world, client, '/token', isToken, paramsOf);
    return {
      secret: refresh,
      // Once more with its successor: then the first is used up for good.
      send: async (secret, attack, dpop) => {
        let successor = '';
        const noted: Post['taken'] = (_response, body) => {
          successor = String(body['refresh_token']);
          return isToken(_response, body);
        };
        const outcome = await poster(world, client, '/token', noted, paramsOf)(secret, attack, dpop);
        if (outcome.taken) await send(successor, {});
        return outcome;
      },
    };
  },

  'token: device': async (world) => {
    const client = await world.client();
    const { body } = await client.askForDevice({ provider: 'corp' });
    const browser = new DeviceBrowser(world.running);
    await browser.type(String(body['user_code']));
    const login = new URL('/device/login', world.running.publicUrl);
    const question = await world.provider.logIn(browser.browser, login, person);
    await browser.decide(question, 'approve');
    return {
      secret: String(body['device_code']),
      send: poster(world, client, '/token', isToken, (device_code) => ({
        client_id: 'sally',
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        device_code,
      })),
    };
  },

  'token: exchange': async (world) => {
    const client = await world.client();
    const send = poster(world, client, '/token', isToken, (subject_token) => ({
      client_id: 'sally',
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token,
      subject_token_type: 'urn:sallyport:token-type:api-token',
    }));
    return renewable({ secret: world.apiToken, send });
  },

  revocation: async (world) => {
    const { client, refresh } = await world.tokens();
    const { db } = world.running.database;
    const ended = async () =>
      (await db.selectFrom('login_sessions').select('id').where('ended_reason', '=', 'logout').execute())
        .length;
    return {
      secret: refresh,
      send: async (secret, attack) => {
        const before = await ended();
        const taken = async () => (await ended()) > before;
        const params = { client_id: 'sally', token: secret };
        return await post(
          world,
          { path: '/token/revocation', client, params, taken },
          { key: 'none', ...attack },
        );
      },
    };
  },

  API: async (world) => {
    const { client, access } = await world.tokens();
    const { server, publicUrl } = world.running;
    const htu = `${publicUrl.origin}/v1/session`;
    const prepared: Prepared = {
      secret: access,
      send: async (secret, attack, replayed) => {
        const dpop =
          replayed ?? (await header(world, htu, client.key, attack, { htm: 'GET', accessToken: secret }));
        const inAddress = attack.body === 'in the address';
        const presented = {
          authorization: inAddress ? undefined : `DPoP ${secret}`,
          dpop,
          method: 'GET',
          url: inAddress ? `${htu}?access_token=${secret}` : htu,
        };
        const outcome = await server.authenticate(presented).then(
          () => ({ taken: true, said: 'authenticated' }),
          (error) => ({ taken: false, said: String(error) }),
        );
        return { ...outcome, ...(dpop === undefined ? {} : { dpop }) };
      },
    };
    return renewable(prepared);
  },

  callback: async (world) => {
    const client = await world.client();
    const walk = new RedirectWalk();
    const start = await client.authorizationUrl({ provider: 'corp' });
    const url = await walk.until(start, person, ({ pathname }) => pathname.startsWith('/login/callback'));
    return {
      secret: url.searchParams.get('state') ?? '',
      send: async (state, attack) => {
        const asked = new URL(url);
        asked.searchParams.set('state', state);
        for (const [name, value] of Object.entries(attack.params ?? {})) {
          if (value === undefined) asked.searchParams.delete(name);
          else asked.searchParams.set(name, value);
        }
        if (attack.body === 'twice') asked.searchParams.append('code', asked.searchParams.get('code') ?? '');
        const response = await walk.fetch(asked);
        const location = response.headers.get('location') ?? '';
        const before = world.running.issuer;
        // A refusal goes back to the client too: what counts is whether there is a code.
        const end =
          location === '' ? asked : await walk.until(new URL(location, before), person, isLanding(world));
        return {
          taken: end.searchParams.has('code') && isLanding(world)(end),
          said: `${response.status} ${end.search}`,
        };
      },
    };
  },
};

function isLanding({ landing }: MatrixWorld): (url: URL) => boolean {
  return ({ port }) => port === String(landing.port);
}

/** What a request does not use up. */
function renewable(prepared: Prepared): Prepared {
  const again: Prepared & { renew: () => Promise<Prepared> } = { ...prepared, renew: async () => again };
  return again;
}
