/** What the HTTP application is put together from. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { CertificateAuthority } from '../ca/ca-keys.ts';
import type { DatabaseHandle } from '../database/database.ts';
import type { Feed } from '../feed/feed.ts';
import type { LogSettings } from './request-log.ts';

/** What the application asks of the OAuth authorization server. */
export interface AuthorizationServer {
  /** Everything under /oauth; reads the body itself. */
  handler(request: IncomingMessage, response: ServerResponse): void;
  /** Login pages and the reply of the identity provider. */
  registerRoutes(app: FastifyInstance): Promise<void> | void;
  /** @throws token_invalid, proof_invalid, proof_replayed, session_ended */
  authenticate(request: PresentedToken): Promise<{ sessionId: string; accountId: string }>;
}

export interface PresentedToken {
  readonly authorization: string | undefined;
  readonly dpop: string | undefined;
  readonly method: string;
  /** As RFC 9449 section 4.2 wants `htu`: our public URL and the path. */
  readonly url: string;
}

export interface AppParts {
  readonly database: DatabaseHandle;
  readonly authority: CertificateAuthority;
  readonly authorizationServer: AuthorizationServer;
  readonly feed: Feed;
  /** What people open. Links, redirects and proofs are built from it, never from a request. */
  readonly publicUrl: URL;
  /** Exact values of Host that are answered. */
  readonly allowedHosts: readonly string[];
  /** Addresses or networks of reverse proxies whose X-Forwarded-For is believed; default: none. */
  readonly trustedProxies?: readonly string[];
  readonly clock: () => Date;
  readonly logger: LogSettings;
  readonly version: string;
}
