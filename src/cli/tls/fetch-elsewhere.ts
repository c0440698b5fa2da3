import type { SallyContext } from '../context.ts';
import { sender } from './send-request.ts';
import { connectionElsewhere } from './server-connection.ts';

const largestReply = 64 * 1024;

/** GET of somebody who is not the profile's server. Redirects are not followed. */
export async function fetchElsewhere(
  reach: Pick<SallyContext, 'environment' | 'debug' | 'patienceMilliseconds'>,
  url: URL,
  headers: Headers,
): Promise<Response> {
  const timeoutMilliseconds = reach.patienceMilliseconds;
  const asked = { method: 'GET', headers, body: null, timeoutMilliseconds, largestReply };
  return await sender(connectionElsewhere(reach))(url, asked);
}
