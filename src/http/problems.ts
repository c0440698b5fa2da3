/** Every failure as a problem document (RFC 9457), or as a page where a browser asked for one. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type ProblemDocument, problemDocument } from '../errors/problem-document.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { messagePage } from '../pages/message-page.ts';
import { authenticateHeader } from './authenticate-header.ts';
import { type ListedRoute, methodsOf } from './route-authentication.ts';
import { sendPage } from './security-headers.ts';

export function answerProblems(app: FastifyInstance, routes: readonly ListedRoute[]): void {
  app.setErrorHandler((error, request, reply) => sendProblem(translate(error), request, reply));

  app.setNotFoundHandler((request, reply) => {
    const methods = methodsOf(routes, request.url.split('?')[0] ?? '');
    if (methods.length === 0) {
      return sendProblem(
        new SallyportError('not_found', 'There is nothing at this address.'),
        request,
        reply,
      );
    }
    reply.header('allow', [...new Set(methods)].join(', '));
    return sendProblem(
      new SallyportError('method_not_allowed', `This address answers to ${methods.join(' and ')} only.`),
      request,
      reply,
    );
  });
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemDocument(error, request.id);
  log(error, problem, request);
  const challenge = authenticateHeader(error, request.routeOptions.config?.auth);
  if (challenge !== undefined) reply.header('www-authenticate', challenge);
  // RFC 9110 section 10.2.3: seconds.
  const { retry_after } = problem;
  if (typeof retry_after === 'number') {
    reply.header('retry-after', String(Math.ceil(retry_after)));
    // Who is to come back later takes no place meanwhile.
    if (problem.status === 503) reply.header('connection', 'close');
  }
  reply.code(problem.status);
  if (wantsPage(request)) return sendPage(reply, problemPage(problem));
  return reply.type('application/problem+json').send(JSON.stringify(problem));
}

/** Fastify's own refusals in our words. */
function translate(error: unknown): unknown {
  if (isSallyportError(error) || !(error instanceof Error)) return error;
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new SallyportError('request_too_large', 'The body is larger than this address takes.');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new SallyportError('request_malformed', 'Send the body as application/json.');
    default:
      if (!code?.startsWith('FST_ERR_') || statusCode === undefined || statusCode >= 500) return error;
      return new SallyportError('request_malformed', 'The request could not be read.', {
        detail: error.message,
      });
  }
}

function log(error: unknown, problem: ProblemDocument, request: FastifyRequest): void {
  const facts = {
    code: problem.code,
    status: problem.status,
    detail: isSallyportError(error) ? error.detail : null,
  };
  if (problem.status < 500) {
    request.log.info(facts, 'refused');
    return;
  }
  const known = isSallyportError(error);
  const cause = known ? error.cause : error;
  request.log.error({ ...facts, stack: cause instanceof Error ? cause.stack : null }, 'failed');
}

function wantsPage({ headers, routeOptions }: FastifyRequest): boolean {
  const { auth } = routeOptions.config ?? {};
  return (
    (auth === undefined || auth === 'none' || auth === 'browser') && !!headers.accept?.includes('text/html')
  );
}

function problemPage({ title, detail, request_id }: ProblemDocument): string {
  return messagePage({
    title,
    paragraphs: [detail],
    tone: 'bad',
    action: { href: '/console/sessions', text: 'Open the console' },
    note: `Request ${request_id}`,
  });
}
