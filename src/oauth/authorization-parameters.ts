/**
 * What `sally` may ask of a login beside the parameters that oidc-provider knows, and the rules that it does not have.
 * Only a pushed request (RFC 9126) ever holds them.
 */
import { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { LoginDemand } from '../login/login-flow.ts';

/** The name of the person's machine, shown in lists of sessions and to whoever approves a device login. */
export const deviceNameParameter = 'device_name';
/** The session that the login shall renew instead of starting another: a step-up. */
export const sessionParameter = 'session_id';
/** The identity provider to go to; without it the person chooses. */
export const providerParameter = 'provider';

/** The one value of `acr_values`: with a second factor, whoever vouches for it. */
export const multiFactorAcr = 'mfa';

const formats: Readonly<Record<string, RegExp>> = {
  [deviceNameParameter]: /^.{1,200}$/s,
  [sessionParameter]: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  [providerParameter]: /^[a-z0-9-]{1,63}$/,
  acr_values: new RegExp(`^${multiFactorAcr}$`),
};

type Check = (ctx: KoaContextWithOIDC) => Promise<void>;

/**
 * oidc-provider's `extraParams`. Its validators run last at every endpoint that takes an authorization request, so one
 * of them is also where such an endpoint's own checks hang.
 * @param checks by route name
 */
export function extraParameters(
  checks: Readonly<Record<string, Check>>,
): NonNullable<Configuration['extraParams']> {
  return {
    [deviceNameParameter]: async (ctx) => {
      const { route, params = {} } = ctx.oidc;
      for (const [name, format] of Object.entries(formats)) {
        const value = params[name];
        if (value === undefined || (typeof value === 'string' && format.test(value))) continue;
        throw new errors.InvalidRequest(`${name} is not as it must be`);
      }
      await checks[route as string]?.(ctx);
    },
    [sessionParameter]: null,
    [providerParameter]: null,
  };
}

/** What the login must bring. `max_age` is a number by now: oidc-provider has checked it. */
export function demandOf(params: Readonly<Record<string, unknown>>): LoginDemand {
  const { max_age: maxAge, acr_values: acrValues } = params;
  return {
    mfa: acrValues === multiFactorAcr,
    maxAgeSeconds: maxAge === undefined ? null : Number(maxAge),
    methods: null,
  };
}
