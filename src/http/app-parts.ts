/** What the HTTP application is put together from. */
import type { CertificateAuthority } from '../ca/certificate-authority.ts';
import type { KeyFiles } from '../ca/key-files.ts';
import type { DatabaseHandle } from '../database/database.ts';
import type { Feed } from '../feed/feed.ts';
import type { ConfiguredProvider } from '../login/configured-providers.ts';
import type { IdentityProviders } from '../login/identity-providers.ts';
import type { LoginFlow, LoginPurposeHandler } from '../login/login-flow.ts';
import type { AuthorizationServer } from '../oauth/authorization-server.ts';
import type { Sealer } from '../secrets/seal.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { LogSettings } from './request-log.ts';

export interface AppParts {
  readonly database: DatabaseHandle;
  readonly authority: CertificateAuthority;
  readonly authorizationServer: AuthorizationServer;
  readonly feed: Feed;
  readonly providers: IdentityProviders;
  /** Those of them that the operator configured: admins see them and can't change them. */
  readonly configuredProviders: readonly Pick<ConfiguredProvider, 'slug' | 'settings'>[];
  readonly loginFlow: LoginFlow;
  /** The flow's handlers: whoever registers routes that begin logins puts his there. */
  readonly loginHandlers: Map<string, LoginPurposeHandler>;
  readonly sealer: Sealer;
  /** What people open. Links, redirects and proofs are built from it, never from a request. */
  readonly publicUrl: URL;
  /** Exact values of Host that are answered. */
  readonly allowedHosts: readonly string[];
  /** Addresses or networks of reverse proxies whose X-Forwarded-For is believed; default: none. */
  readonly trustedProxies?: readonly string[];
  /** How many of them stand in a row at most; default: one. */
  readonly proxyHops?: number;
  /** Where they are not the usual ones. */
  readonly connectionLimits?: Partial<ConnectionLimits>;
  /** Names of the accounts that may change CA keys; default: none. */
  readonly operators?: readonly string[];
  /** The signed description of the newest sally; absent: there is none here. */
  readonly readRelease?: () => Promise<string>;
  /** What CA keys are opened and made with. */
  readonly keyFiles: KeyFiles;
  readonly clock: () => Date;
  readonly logger: LogSettings;
  readonly version: string;
}
