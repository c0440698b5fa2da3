/**
 * Requests that change something must not come from another site's page. Browsers say where a request comes from in
 * Sec-Fetch-Site (W3C Fetch Metadata) and Origin (RFC 6454); programs send neither. There is no CORS.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { SallyportError } from '../errors/sallyport-error.ts';

const reading: readonly string[] = ['GET', 'HEAD'];

export function refuseCrossSiteRequests(app: FastifyInstance, publicUrl: URL): void {
  app.addHook('onRequest', async (request) => {
    if (reading.includes(request.method)) return;
    if (isFromOurPages(request, publicUrl.origin)) return;
    throw new SallyportError(
      'cross_site_request',
      `Only pages of ${publicUrl.origin} may do this. Open it there and try again.`,
    );
  });
}

function isFromOurPages({ headers, routeOptions }: FastifyRequest, ownOrigin: string): boolean {
  const { origin, 'sec-fetch-site': site } = headers;
  // A cookie is sent by the browser whoever asks, so there silence is not enough.
  if (origin === undefined && site === undefined) return routeOptions.config?.auth !== 'browser';
  return (origin === undefined || origin === ownOrigin) && (site === undefined || site === 'same-origin');
}
