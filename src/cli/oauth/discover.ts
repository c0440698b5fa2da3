import * as oauth from 'oauth4webapi';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { type OauthParts, requestOptions } from './client.ts';
import { speaking } from './errors.ts';

/** Reads the server's metadata (OpenID Connect Discovery 1.0). @throws unavailable, login_provider_error */
export async function discover(parts: OauthParts): Promise<oauth.AuthorizationServer> {
  const { server } = parts;
  const issuer = new URL(`${server.origin}/oauth`);
  const as = await speaking(async () => {
    const response = await oauth.discoveryRequest(issuer, requestOptions(parts));
    return await oauth.processDiscoveryResponse(issuer, response);
  });
  const wanted = [as.authorization_endpoint, as.token_endpoint, as.pushed_authorization_request_endpoint];
  const offered = [as.device_authorization_endpoint].filter((endpoint) => endpoint !== undefined);
  for (const endpoint of [...wanted, ...offered]) {
    if (!endpoint || !URL.canParse(endpoint) || new URL(endpoint).origin !== server.origin) {
      throw new SallyportError(
        'login_provider_error',
        `${server.origin} names a login address that is not its own. Check --server, and the server's public URL.`,
      );
    }
  }
  return as;
}
