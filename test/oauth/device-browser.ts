/** A person's browser at the pages of a device login. */
import type { DemoPerson } from '../../src/dev/identity-provider-people.ts';
import { Browser, type VisitedPage } from '../../src/dev/tour/browser.ts';
import type { RunningServer } from './running-server.ts';

export class DeviceBrowser {
  readonly browser = new Browser();
  readonly #running: RunningServer;

  constructor(running: RunningServer) {
    this.#running = running;
  }

  /** Opens the page and types the code. */
  async type(userCode: string): Promise<VisitedPage> {
    return await this.submit(await this.open('/device'), { user_code: userCode });
  }

  /** Types the code and logs in: the page that asks for consent, or what stands in its place. */
  async typeAndLogIn(userCode: string, person: DemoPerson): Promise<VisitedPage> {
    const accepted = await this.type(userCode);
    if (accepted.status !== 200) return accepted;
    return await this.browser.signIn(new URL('/device/login', this.#running.publicUrl), person);
  }

  async decide(page: VisitedPage, decision: 'approve' | 'deny'): Promise<VisitedPage> {
    return await this.submit(page, { decision });
  }

  async open(path: string): Promise<VisitedPage> {
    return await this.browser.open(new URL(path, this.#running.publicUrl));
  }

  /** The form of the page, with its hidden fields. */
  async submit(page: VisitedPage, fields: Record<string, string>): Promise<VisitedPage> {
    const csrf_token = csrfTokenOf(page);
    const action = /<form[^>]* action="([^"]*)"/.exec(page.text)?.[1] ?? '';
    const body = new URLSearchParams({ csrf_token, ...fields });
    return await this.browser.open(new URL(action, page.url), { method: 'POST', body, from: page.url });
  }
}

export function csrfTokenOf({ text }: VisitedPage): string {
  return /name="csrf_token" value="([^"]*)"/.exec(text)?.[1] ?? '';
}
