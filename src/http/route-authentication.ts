/**
 * Every route says in its `config` who may call it and what it is. One that does not is refused when it is registered,
 * so the server does not start; there are no exemptions by path.
 */
import type { FastifyInstance, RouteOptions } from 'fastify';

export type RouteAuthentication =
  /** Anybody. What the route itself checks, such as a one-time token, stands in its purpose. */
  | 'none'
  /** A DPoP-bound access token of a live login session (RFC 9449). */
  | 'person'
  /** A person whose role on their whole organization is admin, as the database has it now. */
  | 'admin'
  /** A person whom SALLYPORT_OPERATORS names, with a login that counts as multi-factor. */
  | 'operator'
  /** The bearer credential that a gateway or host got when it enrolled. */
  | 'companion'
  /** The console's cookie, and for everything but reading, a request from our own pages. */
  | 'browser';

declare module 'fastify' {
  interface FastifyContextConfig {
    auth: RouteAuthentication;
    /** What it is for, in a few words. */
    purpose: string;
    /** A second factor of the last minutes: where the organization requires any, or `always`. */
    stepUp?: boolean | 'always';
    /**
     * API tokens and CI jobs may call it too, also if it wants a second factor of people. Without it they may call those of
     * `admin` that want none.
     */
    machines?: true;
  }
}

export interface ListedRoute {
  readonly method: string;
  readonly path: string;
  readonly auth: RouteAuthentication;
  readonly purpose: string;
}

const kinds: readonly unknown[] = ['none', 'person', 'admin', 'operator', 'companion', 'browser'];

/** Refuses undeclared routes from now on; returns the growing list of those declared. Call before the first route. */
export function listRoutes(app: FastifyInstance): readonly ListedRoute[] {
  const routes: ListedRoute[] = [];
  app.addHook('onRoute', (route: RouteOptions) => {
    const { auth, purpose } = route.config ?? {};
    if (auth === undefined || !kinds.includes(auth) || !purpose) {
      throw new TypeError(
        `The route ${String(route.method)} ${route.url} does not say who may call it: give it config { auth, purpose }`,
      );
    }
    for (const method of [route.method].flat()) routes.push({ method, path: route.url, auth, purpose });
  });
  return routes;
}

/** Methods that a path answers to; none: there is no such path. */
export function methodsOf(routes: readonly ListedRoute[], path: string): readonly string[] {
  return routes.filter((route) => matches(route.path, path)).map(({ method }) => method);
}

function matches(pattern: string, path: string): boolean {
  const parts = path.split('/');
  const wanted = pattern.split('/');
  return (
    parts.length === wanted.length &&
    wanted.every((word, index) => (word.startsWith(':') ? parts[index] !== '' : word === parts[index]))
  );
}
