/**
 * A person at a browser, as far as the tour needs one: follows redirects, keeps cookies as browsers do (by host,
 * whatever the port), fills in the login form that it is shown, and stops where the helper's loopback listener answers.
 */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface VisitedPage {
  readonly url: URL;
  readonly status: number;
  readonly text: string;
}

const redirectLimit = 20;

export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>();

  /** Opens `address`, logs in wherever a login form is shown, and returns the page at the end of all redirects. */
  async signIn(address: URL, credentials: Credentials): Promise<VisitedPage> {
    const page = await this.open(address);
    const form = loginForm(page);
    if (!form) return page;
    const otp = oneTimeCode(page.text, credentials.username);
    const fields = new URLSearchParams({ ...form.hidden, ...credentials, ...(otp ? { otp } : {}) });
    const answer = await this.open(form.action, { method: 'POST', body: fields, from: page.url });
    if (loginForm(answer))
      throw new Error(`the login page refused ${credentials.username}: ${pageText(answer.text)}`);
    return answer;
  }

  async open(
    address: URL,
    request: { method?: string; body?: URLSearchParams; from?: URL } = {},
  ): Promise<VisitedPage> {
    let url = address;
    let { method = 'GET', body } = request;
    for (let hop = 0; hop < redirectLimit; hop += 1) {
      const response = await fetch(url, {
        method,
        redirect: 'manual',
        headers: {
          ...this.#cookieHeader(url),
          ...(request.from && method === 'POST'
            ? { origin: request.from.origin, 'sec-fetch-site': 'same-origin', referer: request.from.href }
            : {}),
        },
        ...(body ? { body } : {}),
      });
      this.#keepCookies(url, response.headers.getSetCookie());
      const location = response.headers.get('location');
      if (!location || response.status < 300 || response.status > 399) {
        return { url, status: response.status, text: await response.text() };
      }
      await response.body?.cancel();
      url = new URL(location, url);
      if (response.status !== 307 && response.status !== 308) {
        method = 'GET';
        body = undefined;
      }
    }
    throw new Error(`more than ${redirectLimit} redirects from ${address.origin}`);
  }

  #cookieHeader(url: URL): Record<string, string> {
    const cookies = [...(this.#cookies.get(url.hostname) ?? [])].map(([name, value]) => `${name}=${value}`);
    return cookies.length > 0 ? { cookie: cookies.join('; ') } : {};
  }

  #keepCookies(url: URL, lines: readonly string[]): void {
    const kept = this.#cookies.get(url.hostname) ?? new Map<string, string>();
    this.#cookies.set(url.hostname, kept);
    for (const line of lines) {
      const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
      const at = pair.indexOf('=');
      const name = pair.slice(0, at);
      const gone = attributes.some((part) => /^(max-age=0|expires=thu, 01 jan 1970)/i.test(part));
      if (gone) kept.delete(name);
      else kept.set(name, pair.slice(at + 1));
    }
  }
}

interface LoginForm {
  readonly action: URL;
  readonly hidden: Record<string, string>;
}

/** The form with a password field, if the page has one. */
function loginForm(page: VisitedPage): LoginForm | undefined {
  for (const [, attributes = '', inside = ''] of page.text.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)) {
    if (!/name="password"/.test(inside)) continue;
    const hidden: Record<string, string> = {};
    for (const [tag] of inside.matchAll(/<input\b[^>]*type="hidden"[^>]*>/g)) {
      const name = /name="([^"]*)"/.exec(tag)?.[1];
      if (name) hidden[name] = unescapeHtml(/value="([^"]*)"/.exec(tag)?.[1] ?? '');
    }
    return {
      action: new URL(unescapeHtml(/action="([^"]*)"/.exec(attributes)?.[1] ?? ''), page.url),
      hidden,
    };
  }
  return undefined;
}

/** The demo's login page shows each person's current one-time code. */
function oneTimeCode(text: string, username: string): string | undefined {
  return new RegExp(`data-one-time-code-of="${username}"[^>]*>\\s*([0-9]{6})`).exec(text)?.[1];
}

function unescapeHtml(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&#34;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&#x3D;', '=')
    .replaceAll('&#61;', '=')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}

/** A page's words without its markup, for an explanation on a terminal. */
export function pageText(html: string): string {
  return unescapeHtml(html.replace(/<(style|script)\b[\s\S]*?<\/\1>/g, ' ').replace(/<[^>]*>/g, ' '))
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 400);
}
