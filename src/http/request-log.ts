/**
 * One line per request: who (ids), which route, what came of it. Never a body, a header, a query or a path with ids in
 * it; what should never get there is redacted all the same.
 */
import type { FastifyInstance, FastifyLoggerOptions } from 'fastify';

export interface LogSettings {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Default: standard output. */
  readonly stream?: { write(line: string): void };
}

const secrets = [
  'authorization',
  'cookie',
  'dpop',
  'set-cookie',
  'token',
  'credential',
  'access_token',
  'refresh_token',
  'id_token',
  'client_secret',
  'authorization_code',
  'code_verifier',
];

/** Fastify's `logger` option. */
export function loggerOptions({
  level,
  stream,
}: LogSettings): FastifyLoggerOptions & { redact: { paths: string[]; censor: string } } {
  return {
    level,
    ...(stream ? { stream } : {}),
    redact: {
      paths: secrets.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]),
      censor: '[redacted]',
    },
    serializers: { req: () => ({}), res: () => ({}), err: errorFacts },
  };
}

/** No members but these: libraries' errors hold whole replies, a database's `detail` whole rows. */
function errorFacts({ name, message, stack = '', code }: Error & { code?: unknown }) {
  return { type: name, message, stack, ...(typeof code === 'string' ? { code } : {}) };
}

export function logRequests(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    // Every machine answers every change: thousands of lines that say nothing but that all is well.
    const isRoutine = request.caller?.kind === 'companion' && reply.statusCode < 400;
    request.log[isRoutine ? 'debug' : 'info'](
      {
        method: request.method,
        route: request.routeOptions.url ?? null,
        status: reply.statusCode,
        milliseconds: Math.round(reply.elapsedTime),
        caller: request.caller ? { kind: request.caller.kind, id: request.caller.id } : null,
      },
      'request',
    );
  });
}
