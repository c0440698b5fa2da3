/** Where a sign-in goes back to: a page of the console, whatever was asked for. */

export const consoleHome = '/console/sessions';

/** The path itself if it is a plain path of the console, else its first page: no host, no scheme, nothing to decode. */
export function returnPath(asked: unknown): string {
  return typeof asked === 'string' && asked.length <= 200 && /^\/console(\/[a-z0-9-]+)*$/.test(asked)
    ? asked
    : consoleHome;
}
