/** The login on another machine's browser (RFC 8628): this one shows a code and asks until somebody has approved it. */
import * as oauth from 'oauth4webapi';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { DpopKey, Tokens } from '../session-file.ts';
import {
  client,
  clientAt,
  dpopHandle,
  type OauthParts,
  renewableTokensOf,
  requestOptions,
  resourceOf,
  retriedForNonce,
} from './client.ts';
import { speaking } from './errors.ts';
import { type LoginRequest, requestParameters } from './login-request.ts';

export interface DeviceAttempt {
  readonly as: oauth.AuthorizationServer;
  readonly key: DpopKey;
  readonly deviceCode: string;
  /** What the person types. */
  readonly userCode: string;
  /** Where they type it. */
  readonly address: URL;
  readonly intervalSeconds: number;
  readonly expiresAtSeconds: number;
  /** Of sally's own key (RFC 7638), as the page shows it: whoever compares the two approves this machine and no other. */
  readonly keyThumbprint: string;
}

export type Wait = (milliseconds: number) => Promise<void>;

/** @throws login_rejected where the server does not offer it, unavailable, login_provider_error */
export async function startDeviceAttempt(
  parts: OauthParts,
  about: { as: oauth.AuthorizationServer; key: DpopKey; request: LoginRequest },
): Promise<DeviceAttempt> {
  const { as, key, request } = about;
  if (as.device_authorization_endpoint === undefined) throw notOffered();
  const parameters = {
    scope: 'openid offline_access',
    resource: resourceOf(parts.server),
    ...requestParameters(request),
  };
  const DPoP = await dpopHandle(key, parts.nonce);
  // The server binds the code to the key by a proof here. The library's own function for this endpoint adds none; its one
  // for pushed requests sends the same form, with one.
  const endpoint = { ...as, pushed_authorization_request_endpoint: as.device_authorization_endpoint };
  const reply = await speaking(() =>
    retriedForNonce(parts.nonce, async () => {
      const options = { ...requestOptions(parts), DPoP };
      const response = await oauth.pushedAuthorizationRequest(
        endpoint,
        client,
        oauth.None(),
        parameters,
        options,
      );
      return await oauth.processDeviceAuthorizationResponse(as, client, response);
    }),
  );
  return {
    as,
    key,
    deviceCode: reply.device_code,
    userCode: reply.user_code,
    address: new URL(reply.verification_uri),
    intervalSeconds: Math.min(Math.max(reply.interval ?? 5, 1), 60),
    expiresAtSeconds: parts.nowSeconds + reply.expires_in,
    keyThumbprint: await DPoP.calculateThumbprint(),
  };
}

/** Asks at the given interval until the person has answered. @throws login_rejected, unavailable, login_provider_error */
export async function finishDeviceAttempt(
  parts: OauthParts,
  attempt: DeviceAttempt,
  edge: { wait: Wait; nowSeconds: () => number },
): Promise<Tokens> {
  const DPoP = await dpopHandle(attempt.key, parts.nonce);
  let interval = attempt.intervalSeconds;
  for (;;) {
    await edge.wait(interval * 1000);
    if (edge.nowSeconds() >= attempt.expiresAtSeconds) throw expired();
    const asked = await ask(parts, attempt, DPoP);
    if (typeof asked !== 'string') return renewableTokensOf(asked, edge.nowSeconds());
    // RFC 8628 section 3.5: five seconds more, for this and all later ones. A server that is away is asked less often too.
    if (asked !== 'authorization_pending') interval = Math.min(interval + 5, 60);
  }
}

type Later = 'authorization_pending' | 'slow_down' | 'unavailable';

async function ask(
  parts: OauthParts,
  { as, deviceCode }: DeviceAttempt,
  DPoP: oauth.DPoPHandle,
): Promise<oauth.TokenEndpointResponse | Later> {
  return await speaking(async () => {
    try {
      return await retriedForNonce(parts.nonce, async () => {
        const response = await oauth.deviceCodeGrantRequest(as, client, oauth.None(), deviceCode, {
          ...requestOptions(parts),
          DPoP,
          additionalParameters: { resource: resourceOf(parts.server) },
        });
        return await oauth.processDeviceCodeResponse(as, clientAt(parts.nonce), response);
      });
    } catch (error) {
      if (error instanceof SallyportError && error.code === 'unavailable') return 'unavailable';
      if (!(error instanceof oauth.ResponseBodyError)) throw error;
      switch (error.error) {
        case 'authorization_pending':
        case 'slow_down':
          return error.error;
        case 'expired_token':
          throw expired();
        case 'access_denied':
          throw new SallyportError('login_rejected', 'The login was refused on the page. Nothing was kept.');
        default:
          if (error.status >= 500) return 'unavailable';
          throw error;
      }
    }
  });
}

function expired(): SallyportError {
  return new SallyportError(
    'login_rejected',
    'Nobody approved the code in time. For a new one: sally login --device',
  );
}

function notOffered(): SallyportError {
  return new SallyportError(
    'login_rejected',
    'This server has no login by code. On a machine with a browser, or by pasting its address: sally login --no-browser',
  );
}
