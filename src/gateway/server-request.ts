/** Requests of a companion to the CA. Redirects are refused: a credential goes to the server it came from. */
import { z } from 'zod';
import { type ErrorCode, errorTable } from '../errors/codes.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface Server {
  readonly url: string;
  /** null before the enrolment */
  readonly credential: string | null;
}

const patienceMilliseconds = 15_000;

/**
 * Sends one request and reads its JSON reply with `schema`.
 * @throws the server's own error where it gave a problem document; unavailable if there is no (sensible) answer
 */
export async function requestJson<Schema extends z.ZodType>(
  server: Server,
  path: string,
  schema: Schema,
  { body, signal }: { readonly body?: unknown; readonly signal?: AbortSignal } = {},
): Promise<z.infer<Schema>> {
  const deadline = AbortSignal.timeout(patienceMilliseconds);
  const response = await openResponse(server, path, {
    body,
    signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    accept: 'application/json',
  });
  const parsed = schema.safeParse(
    response.status === 204 ? undefined : await response.json().catch(() => null),
  );
  if (parsed.success) return parsed.data;
  throw new SallyportError('unavailable', `${server.url} answered ${path} with something unexpected.`, {
    detail: z.prettifyError(parsed.error),
  });
}

/** The response if its status is good. @throws as requestJson() */
export async function openResponse(
  { url, credential }: Server,
  path: string,
  request: { readonly body?: unknown; readonly signal: AbortSignal; readonly accept: string },
): Promise<Response> {
  // Where it is set, often for something else, fetch believes whoever answers; nothing but its absence tells it not to.
  delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  let response: Response;
  try {
    response = await fetch(new URL(path, url), {
      method: request.body === undefined ? 'GET' : 'POST',
      redirect: 'error',
      signal: request.signal,
      headers: {
        accept: request.accept,
        ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    });
  } catch (cause) {
    throw new SallyportError('unavailable', `${url} could not be reached.`, { cause });
  }
  if (response.ok) return response;
  throw await problemOf(response, url);
}

const problem = z.looseObject({ code: z.string(), detail: z.string() });

async function problemOf(response: Response, url: string): Promise<SallyportError> {
  const members = retryAfter(response);
  const parsed = problem.safeParse(await response.json().catch(() => null));
  if (parsed.success && Object.hasOwn(errorTable, parsed.data.code)) {
    return new SallyportError(parsed.data.code as ErrorCode, parsed.data.detail, { members });
  }
  return new SallyportError('unavailable', `${url} answered with status ${response.status}.`, { members });
}

/** RFC 9110 section 10.2.3; a date, which servers of ours do not give, is as good as none. */
function retryAfter({ headers, status }: Response): { retry_after?: number } {
  const seconds = headers.get('retry-after') ?? '';
  return [429, 503].includes(status) && /^[0-9]{1,6}$/.test(seconds) ? { retry_after: Number(seconds) } : {};
}
