/** What a login is for, what it must bring, and who gets it: the words that all parts of the login flow share. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { DatabaseHandle } from '../database/database.ts';
import type { SallyportError } from '../errors/sallyport-error.ts';
import type { MfaSource } from '../policy/facts.ts';
import type { Sealer } from '../secrets/seal.ts';
import type { IdentityProviders } from './identity-providers.ts';
import type { LoginResult } from './login-result.ts';

/** What a login must bring, whatever the organization says. */
export interface LoginDemand {
  /** A second factor. */
  readonly mfa: boolean;
  /** How old the login, and its second factor, may be; null: any age. */
  readonly maxAgeSeconds: number | null;
  /** RFC 8176 names, one of which the second factor must have been; null: any. */
  readonly methods: readonly string[] | null;
}

/** A login with nothing left to prove. `mfa` is `mfaBy !== null`, `mfaMethods` are of whoever `mfaBy` names. */
export interface ProvenLogin extends LoginResult {
  readonly mfaBy: MfaSource | null;
  /** When the second factor was given; null without one. */
  readonly mfaTime: Date | null;
}

export interface LoginPurposeHandler {
  /** What the login is for asks for no second factor, such as one that only links an identity. */
  readonly withoutSecondFactor?: boolean;
  /** Sends the reply. */
  finish(login: ProvenLogin, request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
  /** Sends the reply, or answers undefined for the page of login-pages.ts. */
  fail?(
    error: SallyportError,
    purpose: LoginPurpose,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<unknown | undefined>;
}

/** What a login is for; JSON. */
export type LoginPurpose = Readonly<Record<string, unknown>> & { readonly kind: string };

export interface LoginBeginning {
  readonly purpose: LoginPurpose;
  readonly demand: LoginDemand;
  /** A provider's slug; without one the person chooses where there are several. */
  readonly provider?: string;
  /** The person must prove who they are now, whatever the provider remembers. */
  readonly fresh?: boolean;
  /** Only providers of this organization: its slug. */
  readonly organization?: string;
}

export interface LoginFlowParts {
  readonly database: DatabaseHandle;
  readonly providers: IdentityProviders;
  readonly publicUrl: URL;
  readonly clock: () => Date;
  readonly sealer: Sealer;
  /** By the purpose's kind. Filled by whoever registers the routes that begin logins. */
  readonly handlers: Map<string, LoginPurposeHandler>;
}

export interface LoginFlow {
  /** Sends the browser to the provider, or to the page that asks which one. @throws login_provider_error, not_found */
  begin(request: FastifyRequest, reply: FastifyReply, start: LoginBeginning): Promise<unknown>;
  /** /login/callback and the pages between a login and its end. Needs @fastify/cookie. */
  registerRoutes(app: FastifyInstance): void;
}

/** The purpose of a login that only enrols a passkey, from the console; `accountId` is whose. */
export const managingPasskeys = 'passkeys';
