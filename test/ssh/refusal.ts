import { SallyportError } from '../../src/errors/sallyport-error.ts';

/** The error with which `attempt` was refused. Anything but a SallyportError, and no error at all, fails the test. */
export function refusalOf(attempt: () => unknown): SallyportError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof SallyportError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** Its code alone. */
export function codeOf(attempt: () => unknown): string {
  return refusalOf(attempt).code;
}
