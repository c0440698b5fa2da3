/** What `sally` asks of a login, whichever way the person goes. */
export interface LoginRequest {
  /** Shown in lists of sessions. */
  readonly deviceName: string | undefined;
  /** The identity provider to go to, by its slug. */
  readonly provider: string | undefined;
  /** How old the login may be, in seconds (OpenID Connect Core section 3.1.2.1). */
  readonly maxAgeSeconds: number | undefined;
  /** What must be proven, such as `mfa` (RFC 9470 section 4). */
  readonly acrValues: string | undefined;
  /** The live session to renew; the server does so for the same key and account only. */
  readonly sessionId: string | undefined;
}

export function requestParameters(request: LoginRequest): Record<string, string> {
  const { deviceName, provider, maxAgeSeconds, acrValues, sessionId } = request;
  return {
    ...(deviceName && { device_name: deviceName }),
    ...(provider && { provider }),
    ...(maxAgeSeconds !== undefined && { max_age: String(maxAgeSeconds) }),
    ...(acrValues && { acr_values: acrValues }),
    ...(sessionId && { session_id: sessionId }),
  };
}
