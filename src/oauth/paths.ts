/** Addresses of the authorization server, as parts of the public URL. */

/** Where it is mounted: its issuer is the public URL and this. */
export const mountPath = '/oauth';
/** Where an authorization request goes on, under the mount path. */
export const interactionPath = '/interaction';
/** Where authorization requests are pushed (RFC 9126), under the mount path. */
export const pushedRequestPath = '/request';
/** Where people type the code of a device login; not under the mount path, since people type it. */
export const devicePath = '/device';

/** The resource that access tokens are for (RFC 8707). */
export function apiResource(publicUrl: URL): string {
  return `${publicUrl.origin}/v1`;
}
