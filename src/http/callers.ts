/** Who is asking, as the authentication of the route found out. Ids only: facts are read where they are used. */
import type { FastifyRequest } from 'fastify';
import type { Role } from '../policy/facts.ts';

export interface PersonCaller {
  readonly kind: 'person';
  /** The login session's id. */
  readonly id: string;
  readonly sessionId: string;
  readonly accountId: string;
  /** The highest role that the session may use, as one of an API token; null: whatever the account has. */
  readonly roleLimit: Role | null;
}

export interface Membership {
  readonly account: string;
  readonly organizationId: string;
  readonly organization: string;
  readonly role: Role | null;
}

export interface AdminCaller extends Omit<PersonCaller, 'kind'>, Membership {
  readonly kind: 'admin';
}

export interface OperatorCaller extends Omit<PersonCaller, 'kind'> {
  readonly kind: 'operator';
  readonly account: string;
}

export interface CompanionCaller {
  readonly kind: 'companion';
  readonly id: string;
  readonly companionId: string;
  readonly organizationId: string;
  /** When the machine that asks was enrolled; another one may take its place at any time. */
  readonly enrolledAt: Date;
}

export interface BrowserCaller extends Omit<PersonCaller, 'kind' | 'roleLimit'>, Membership {
  readonly kind: 'browser';
  /** Proves that a form came from a page of this session. */
  readonly csrfToken: string;
}

export type Caller = PersonCaller | AdminCaller | OperatorCaller | CompanionCaller | BrowserCaller;

declare module 'fastify' {
  interface FastifyRequest {
    /** Null on routes with `auth: 'none'`. */
    caller: Caller | null;
  }
}

/** The person of a `person` or `admin` route. */
export function personOf({ caller }: FastifyRequest): PersonCaller | AdminCaller {
  if (caller?.kind === 'person' || caller?.kind === 'admin') return caller;
  throw wrongRoute('person');
}

export function adminOf({ caller }: FastifyRequest): AdminCaller {
  if (caller?.kind === 'admin') return caller;
  throw wrongRoute('admin');
}

export function operatorOf({ caller }: FastifyRequest): OperatorCaller {
  if (caller?.kind === 'operator') return caller;
  throw wrongRoute('operator');
}

export function companionOf({ caller }: FastifyRequest): CompanionCaller {
  if (caller?.kind === 'companion') return caller;
  throw wrongRoute('companion');
}

export function browserOf({ caller }: FastifyRequest): BrowserCaller {
  if (caller?.kind === 'browser') return caller;
  throw wrongRoute('browser');
}

function wrongRoute(auth: string): TypeError {
  return new TypeError(`The route asked for its ${auth} but declares another authentication`);
}
