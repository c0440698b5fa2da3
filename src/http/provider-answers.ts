/** Refusals in the words that identity providers' programs read: 400 with JSON, whatever was wrong with what they sent. */
import type { FastifyError, FastifyInstance } from 'fastify';
import { isSallyportError } from '../errors/sallyport-error.ts';

/** Ours to mend, not theirs: they may try again. */
const ours: readonly number[] = [429, 500, 503];

/** For one scope. @param bodyOf makes the body from what is told of the reason */
export function answerAsProviders(
  scope: FastifyInstance,
  bodyOf: (description: string, error: unknown) => Record<string, string>,
): void {
  scope.setErrorHandler((error: FastifyError, request, reply) => {
    const { code, status, message, detail } = isSallyportError(error)
      ? error
      : {
          code: error.code ?? 'internal',
          status: (error.statusCode ?? 500) < 500 ? 400 : 500,
          message: 'The request could not be read.',
          detail: error.message,
        };
    const facts = { code, detail: detail ?? null, reason: message };
    if (status === 500) request.log.error({ err: error }, 'failed');
    else request.log.warn(facts, 'what an identity provider sent was refused');
    const answered = status === 404 || ours.includes(status) ? status : 400;
    const description = status === 500 ? `Something went wrong. Request ${request.id}` : message;
    return reply.code(answered).type('application/json').send(bodyOf(description, error));
  });
}
