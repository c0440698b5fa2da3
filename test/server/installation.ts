/** An operator's own installation, made with the commands of docs/running-a-server.md: real processes, real Postgres. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyPostgres } from '../database/fresh-database.ts';
import { type Started, sallyport, start } from '../dev/started-program.ts';
import { type FrontDoor, openFrontDoor } from './front-door.ts';
import {
  type StrangerIdentityProvider,
  type StrangerPerson,
  signInAsStranger,
  startStrangerIdentityProvider,
} from './stranger-identity-provider.ts';

export const setupOfGlobex = {
  organization: { slug: 'globex', name: 'Globex', domains: ['globex.example'] },
  access_rules: [
    { group: 'SSH Admins', role: 'admin' },
    { group: 'Engineering', role: 'contributor', project: 'billing' },
  ],
  gateways: [{ name: 'bastion', address: '127.0.0.1', port: 2222 }],
  projects: [
    {
      slug: 'billing',
      environments: [
        {
          slug: 'live',
          kind: 'production',
          mfa_required: true,
          gateways: ['bastion'],
          apps: [{ slug: 'api', instances: [{ address: '10.9.8.7', login: 'deploy' }] }],
        },
      ],
    },
  ],
};

export const hank: StrangerPerson = {
  subject: '00u-hank',
  upn: 'Hank@globex.example',
  name: 'Hank Scorpio',
  roles: ['SSH Admins', 'Everybody'],
  pin: '4711',
  hasSecurityKey: true,
};
export const homer: StrangerPerson = {
  subject: '00u-homer',
  upn: 'homer@globex.example',
  name: 'Homer',
  roles: ['Engineering'],
  pin: '0815',
  hasSecurityKey: false,
};
export const outsider: StrangerPerson = {
  subject: '00u-frank',
  upn: 'frank@initech.example',
  name: 'Frank',
  roles: ['SSH Admins'],
  pin: '1234',
  hasSecurityKey: true,
};

export interface Installation {
  readonly folder: string;
  readonly databaseUrl: string;
  readonly publicUrl: URL;
  readonly keys: string;
  readonly frontDoor: FrontDoor;
  readonly identityProvider: StrangerIdentityProvider;
  /** What `serve` needs. */
  readonly environment: Readonly<Record<string, string>>;
  /** Runs `sallyport` to its end. */
  sallyport(...args: readonly string[]): Promise<{ status: number | null; output: string }>;
  /** One more server process, listening when this returns. */
  serve(change?: Readonly<Record<string, string>>): Promise<Replica>;
  /** Runs `sally` as somebody with a home of their own. */
  sally(who: StrangerPerson, ...args: readonly string[]): Started;
  home(who: StrangerPerson): string;
  login(who: StrangerPerson): Promise<{ status: number | null; output: string }>;
  close(): Promise<void>;
}

export interface Replica extends Started {
  readonly port: number;
}

/** With keys and the setup document applied; no server runs yet. Null where Postgres is not installed. */
export async function newInstallation(): Promise<Installation> {
  const database = await emptyPostgres();
  if (database === null) throw new Error('unreachable: skipped without Postgres');
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-serve-'));
  const frontDoor = await openFrontDoor();
  const publicUrl = new URL(`http://localhost:${frontDoor.port}`);
  const redirectUri = new URL('/login/callback', publicUrl).href;
  const identityProvider = await startStrangerIdentityProvider(redirectUri, [hank, homer, outsider]);
  const keys = join(folder, 'etc', 'keys');
  const secretFile = join(folder, 'client-secret');
  await writeFile(secretFile, `${identityProvider.client.secret}\n`, { mode: 0o600 });
  const environment = {
    DATABASE_URL: database.url,
    SALLYPORT_PUBLIC_URL: publicUrl.href,
    SALLYPORT_LISTEN: '127.0.0.1:0',
    SALLYPORT_KEYS: keys,
    SALLYPORT_ORGANIZATION: 'globex',
    SALLYPORT_TRUSTED_PROXIES: '127.0.0.1',
    SALLYPORT_OIDC_ISSUER: identityProvider.issuer,
    SALLYPORT_OIDC_CLIENT_ID: identityProvider.client.id,
    SALLYPORT_OIDC_CLIENT_SECRET_FILE: secretFile,
    SALLYPORT_OIDC_SCOPES: 'profile roles',
    SALLYPORT_OIDC_CLAIM_ACCOUNT: 'upn',
    SALLYPORT_OIDC_CLAIM_NAME: 'display_name',
    SALLYPORT_OIDC_CLAIM_GROUPS: 'roles',
    SALLYPORT_OIDC_MFA_METHODS: 'hwk',
  };
  const running: Started[] = [];
  const begin = (program: readonly string[], env: NodeJS.ProcessEnv): Started => {
    const started = start(process.execPath, program, env);
    running.push(started);
    return started;
  };
  const home = ({ subject }: StrangerPerson) => join(folder, subject);
  const sally = (who: StrangerPerson, ...args: readonly string[]) =>
    begin([join(import.meta.dirname, '..', '..', 'src', 'sally.ts'), ...args], {
      HOME: home(who),
      NO_COLOR: '1',
    });

  const installation: Installation = {
    folder,
    databaseUrl: database.url,
    publicUrl,
    keys,
    frontDoor,
    identityProvider,
    environment,
    home,
    sally,
    async sallyport(...args) {
      const started = begin([sallyport, ...args], { DATABASE_URL: database.url });
      return { status: await started.ended, output: started.output() };
    },
    async serve(change = {}) {
      const started = begin([sallyport, 'serve'], { ...environment, ...change });
      await started.says(/listening at http:\/\/127\.0\.0\.1:[0-9]+/);
      const [, port] = /listening at http:\/\/127\.0\.0\.1:([0-9]+)/.exec(started.output()) ?? [];
      return { ...started, port: Number(port) };
    },
    async login(who) {
      await mkdir(home(who), { recursive: true, mode: 0o700 });
      const login = sally(who, 'login', '--no-browser', '--server', publicUrl.origin);
      await login.says(/https?:\/\/\S+\s/);
      const [address = ''] = /https?:\/\/\S+/.exec(login.output()) ?? [];
      const page = await signInAsStranger(new URL(address), who);
      return { status: await login.ended, output: `${login.output()}\n${page.text}` };
    },
    async close() {
      for (const { child } of running) child.kill('SIGTERM');
      await Promise.all(running.map(({ ended }) => ended));
      await frontDoor.close();
      await identityProvider.close();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return installation;
}
