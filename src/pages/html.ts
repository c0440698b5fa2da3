/**
 * Markup as a type of its own: a template's values are escaped, only markup made here goes in as it is. So there is no
 * way to write an unescaped name by accident, and ghtml's `!` prefix is not reachable.
 */
import { html as escaping } from 'ghtml';

export class Html {
  readonly text: string;
  private constructor(text: string) {
    this.text = text;
  }
  static fromTemplate(literals: TemplateStringsArray, values: readonly HtmlValue[]): Html {
    let text = literals[0] ?? '';
    for (const [index, value] of values.entries()) text += rendered(value) + (literals[index + 1] ?? '');
    return new Html(text);
  }
}

export type HtmlValue = string | number | bigint | Html | readonly Html[] | null | undefined | false;

/** `html\`<p>${name}</p>\``: markup with every value escaped; null, undefined and false leave nothing. */
export function html(literals: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return Html.fromTemplate(literals, values);
}

function rendered(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(rendered).join('');
  return escaping`${String(value)}`;
}
