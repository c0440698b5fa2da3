/**
 * Groups that a provider has too many of to send (OpenID Connect Core section 5.6.2). They are asked for at the address
 * of the settings, with the person's access token; what the token itself says of addresses is not followed.
 */
import { z } from 'zod';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { GuardedFetch } from '../outbound/guarded-fetch.ts';

const entries = z.array(z.union([z.string(), z.object({ id: z.string() })]));
/** A plain list, a SCIM-like or an OData one (Microsoft Graph). */
const replySchema = z.union([
  entries.transform((value) => ({ value, next: undefined })),
  z
    .object({ value: entries, '@odata.nextLink': z.string().optional() })
    .transform(({ value, '@odata.nextLink': next }) => ({ value, next })),
  z.object({ groups: entries }).transform(({ groups: value }) => ({ value, next: undefined })),
]);

const pagesAtMost = 20;

/** @throws login_provider_error: groups that are not known are not none */
export async function fetchGroups(
  address: string,
  accessToken: string,
  fetch: GuardedFetch,
): Promise<readonly string[]> {
  const start = new URL(address);
  const groups: string[] = [];
  let url: URL | undefined = start;
  for (let page = 0; url !== undefined; page += 1) {
    // A next page elsewhere would be a way to be handed the person's token.
    if (page >= pagesAtMost || url.origin !== start.origin) throw unknown(start, `page ${page}`);
    const response = await fetch(url.href, requestFor(url, accessToken));
    const reply = replySchema.safeParse(response.ok ? await response.json().catch(() => null) : null);
    if (!reply.success) throw unknown(start, `status ${response.status}`);
    groups.push(...reply.data.value.map((entry) => (typeof entry === 'string' ? entry : entry.id)));
    const { next } = reply.data;
    url = next === undefined ? undefined : new URL(next, url);
  }
  return groups;
}

/** Microsoft Graph's getMemberGroups and getMemberObjects are actions: they want a POST. */
function requestFor(url: URL, accessToken: string) {
  const headers = { authorization: `Bearer ${accessToken}`, accept: 'application/json' };
  if (!/\/getMember(Groups|Objects)$/.test(url.pathname)) return { headers };
  return {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ securityEnabledOnly: true }),
  };
}

function unknown(url: URL, detail: string): SallyportError {
  return new SallyportError(
    'login_provider_error',
    `Your groups could not be asked for at ${url.origin}, so nobody knows what you may do. Try again; if it stays so, ` +
      'tell the operator of this server.',
    { detail },
  );
}
