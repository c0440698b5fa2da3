/** A browser that goes one step at a time, so that a test can stop before a reply is delivered, or deliver another. */
import type { TestProvider } from './test-provider.ts';

export interface Step {
  readonly url: URL;
  readonly status: number;
  readonly location: URL | null;
  readonly headers: Headers;
  readonly text: string;
}

export class CarefulBrowser {
  /** By host name, as browsers keep them: whatever the port. */
  readonly #cookies = new Map<string, Map<string, string>>();

  async open(url: URL, form?: URLSearchParams): Promise<Step> {
    const jar = this.#cookies.get(url.hostname) ?? new Map<string, string>();
    this.#cookies.set(url.hostname, jar);
    const response = await fetch(url, {
      redirect: 'manual',
      headers: {
        cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
        ...(form ? { origin: url.origin, 'sec-fetch-site': 'same-origin' } : {}),
      },
      ...(form ? { method: 'POST', body: form } : {}),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    const location = response.headers.get('location');
    return {
      url,
      status: response.status,
      location: location === null ? null : new URL(location, url),
      headers: response.headers,
      text: await response.text(),
    };
  }

  /** From the page that begins a login to where the provider would send the browser back: not opened yet. */
  async replyFor(start: URL, provider: TestProvider, username: string): Promise<URL> {
    let step = await this.open(start);
    for (let hop = 0; hop < 20; hop += 1) {
      if (step.location?.pathname.startsWith('/login/callback')) return step.location;
      if (step.location) step = await this.open(step.location);
      else if (step.url.origin === provider.issuer && step.text.includes('name="login"')) {
        step = await this.open(step.url, new URLSearchParams({ login: username }));
      } else break;
    }
    throw new Error(`no reply: ${step.status} at ${step.url}`);
  }
}
