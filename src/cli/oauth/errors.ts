/** The OAuth library's errors as ours. */
import * as oauth from 'oauth4webapi';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { printable } from '../printable.ts';

/** The library's errors in ours. What the server wrote about itself comes along, for the person to read. */
export async function speaking<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SallyportError || !(error instanceof Error)) throw error;
    throw translate(error);
  }
}

function translate(error: Error): SallyportError {
  const options = { cause: error, detail: `${error.name}: ${error.message}` };
  if (error instanceof oauth.AuthorizationResponseError) {
    const why = sentence(error.error_description ?? error.error);
    if (error.error === 'temporarily_unavailable' || error.error === 'server_error') {
      return new SallyportError(
        'unavailable',
        `The login did not work: ${why} Try again in a minute.`,
        options,
      );
    }
    return new SallyportError(
      'login_rejected',
      `The login was refused: ${why} To try again: sally login`,
      options,
    );
  }
  if (error instanceof oauth.ResponseBodyError) {
    const why = sentence(error.error_description ?? error.error);
    if (error.status >= 500) {
      return new SallyportError(
        'unavailable',
        `The server is in trouble: ${why} Try again in a minute.`,
        options,
      );
    }
    if (error.error === 'invalid_grant') {
      return new SallyportError('grant_invalid', 'session expired, run: sally login', options);
    }
    return new SallyportError('login_rejected', `The server refused: ${why} Run: sally login`, options);
  }
  const status = (error.cause as { status?: number } | undefined)?.status ?? 0;
  if (status >= 500) {
    return new SallyportError(
      'unavailable',
      `The server is in trouble (${status}). Try again in a minute.`,
      options,
    );
  }
  return new SallyportError(
    'login_provider_error',
    `The server answered in a way that is not to be trusted (${printable(error.message)}). Is this a Sallyport server? Check --server.`,
    options,
  );
}

/** What an OAuth endpoint wrote about its refusal, if it did. */
export function descriptionOf({ cause }: SallyportError): string | undefined {
  return cause instanceof oauth.ResponseBodyError ? cause.error_description : undefined;
}

/** What the server wrote, safe to show, with its full stop. */
export function sentence(text: string): string {
  return `${printable(text).replace(/[.\s]+$/, '')}.`;
}
