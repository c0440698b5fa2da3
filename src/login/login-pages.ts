/** What a person sees in the browser when a login can't go on. Pure. */
import { isSallyportError } from '../errors/sallyport-error.ts';
import { messagePage } from '../pages/message-page.ts';

export interface LoginPage {
  readonly status: number;
  readonly html: string;
}

const titles: Readonly<Record<string, string>> = {
  login_state_invalid: 'This login can’t go on',
  login_provider_error: 'Your identity provider has a problem',
  too_many_attempts: 'Too many attempts',
  database_unavailable: 'Not available right now',
};

/** The error's own message; of an unknown error nothing but the request's id. */
export function loginRefusedPage(error: unknown, requestId: string): LoginPage {
  const known = isSallyportError(error);
  const html = messagePage({
    title: known ? (titles[error.code] ?? 'You are not logged in') : 'Something went wrong',
    paragraphs: [known ? error.message : 'The login could not be finished. Start it again.'],
    tone: 'bad',
    note: `Request ${requestId}`,
  });
  return { status: known ? error.status : 500, html };
}
