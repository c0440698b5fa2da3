/** RFC 9457 problem documents: what a client is told of an error. */
import { type ErrorCode, errorTable } from './codes.ts';
import { isSallyportError } from './sallyport-error.ts';

export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly request_id: string;
  readonly [member: string]: unknown;
}

/** What a client is told. Anything that is not a SallyportError says nothing but its request id. */
export function problemDocument(error: unknown, requestId: string): ProblemDocument {
  const known = isSallyportError(error);
  const code: ErrorCode = known ? error.code : 'internal';
  const row = errorTable[code];
  return {
    ...(known ? error.members : {}),
    type: `urn:sallyport:error:${code}`,
    title: row.title,
    status: row.status,
    code,
    detail: known
      ? error.message
      : `Something went wrong on the server. Quote request ${requestId} to whoever runs it.`,
    request_id: requestId,
  };
}
