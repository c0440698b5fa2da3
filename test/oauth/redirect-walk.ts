/** A browser's way through a login, one redirect at a time, so that a test can stop at any. */
export class RedirectWalk {
  readonly #cookies = new Map<string, Map<string, string>>();

  /** Goes on from `start`, filling in the test provider's form, until `stop` says so or a page is shown. */
  async until(start: URL, username: string, stop: (url: URL) => boolean): Promise<URL> {
    let url = start;
    let form: URLSearchParams | undefined;
    for (let hop = 0; hop < 20; hop += 1) {
      if (stop(url)) return url;
      const response = await this.fetch(url, form);
      form = undefined;
      const location = response.headers.get('location');
      const text = await response.text();
      if (location !== null) url = new URL(location, url);
      else if (text.includes('name="login"')) form = new URLSearchParams({ login: username });
      else return url;
    }
    throw new Error(`no end of redirects from ${start.origin}`);
  }

  async fetch(url: URL, form?: URLSearchParams): Promise<Response> {
    const kept = this.#cookies.get(url.hostname) ?? new Map<string, string>();
    this.#cookies.set(url.hostname, kept);
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...kept].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form ? { method: 'POST', body: form } : {}),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const at = pair.indexOf('=');
      if (pair.length > at + 1) kept.set(pair.slice(0, at), pair.slice(at + 1));
      else kept.delete(pair.slice(0, at));
    }
    return response;
  }
}
