/**
 * Answers only to the host names that it has, exactly. Against DNS rebinding, where a stranger's page reaches us under
 * the stranger's name, and against links built from a forged Host.
 */
import type { FastifyInstance } from 'fastify';
import { SallyportError } from '../errors/sallyport-error.ts';

/** @param allowedHosts as browsers send them: lower case, with the port unless it is the scheme's own */
export function allowOnlyHosts(app: FastifyInstance, allowedHosts: readonly string[]): void {
  const allowed = new Set(allowedHosts.map((host) => host.toLowerCase()));
  app.addHook('onRequest', async ({ headers, raw }) => {
    // Of several Host headers Node shows the first; a proxy may have looked at another.
    const times = raw.rawHeaders.filter((name, index) => index % 2 === 0 && /^host$/i.test(name)).length;
    // RFC 9112 section 3.2.2: a whole URL in the request line names another host than the header may.
    const isPath = raw.url?.startsWith('/') ?? false;
    if (isPath && times === 1 && headers.host !== undefined && allowed.has(headers.host.toLowerCase()))
      return;
    throw new SallyportError(
      'host_not_allowed',
      'This server does not answer under the host name of the request. Use the address that its operator gave you.',
    );
  });
}
