/** A page that says one thing: an error, "signed out", "you can close this window". */
import { type Html, html } from './html.ts';
import { layout } from './layout.ts';

export interface Message {
  readonly title: string;
  /** Plain text, a paragraph each. */
  readonly paragraphs: readonly string[];
  readonly tone?: 'plain' | 'good' | 'bad';
  readonly action?: { readonly href: string; readonly text: string };
  /** Small print, such as a request id. */
  readonly note?: string;
}

export function messagePage(message: Message): string {
  return layout({ title: message.title, width: 'narrow', main: messageCard(message) });
}

function messageCard({ title, paragraphs, tone = 'plain', action, note }: Message): Html {
  return html`<section class="card message ${tone}">
<h1>${title}</h1>
${paragraphs.map((text) => html`<p>${text}</p>`)}
${action && html`<p class="actions"><a class="button" href="${action.href}">${action.text}</a></p>`}
${note && html`<p class="note">${note}</p>`}
</section>`;
}
