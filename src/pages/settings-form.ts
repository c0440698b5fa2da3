/** Pieces of forms with settings. */
import { type Html, html } from './html.ts';

export function hiddenToken({ csrfToken }: { readonly csrfToken: string }): Html {
  return html`<input type="hidden" name="csrf_token" value="${csrfToken}">`;
}

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly type?: 'text' | 'password';
  readonly note?: string;
}

export function field({ name, label, value, type = 'text', note }: Field): Html {
  return html`<div class="field"><label for="${name}">${label}</label>
<input id="${name}" name="${name}" type="${type}" value="${value}" autocomplete="off" autocapitalize="none" spellcheck="false">
${note !== undefined && html`<small>${note}</small>`}</div>`;
}

export function textArea({ name, label, value, note }: Field): Html {
  return html`<div class="field"><label for="${name}">${label}</label>
<textarea id="${name}" name="${name}" rows="12" autocapitalize="none" spellcheck="false">${value}</textarea>
${note !== undefined && html`<small>${note}</small>`}</div>`;
}

export function checkbox(name: string, label: string, checked: boolean): Html {
  return html`<div class="check"><input id="${name}" name="${name}" type="checkbox" value="on" ${checked && html`checked`}>
<label for="${name}">${label}</label></div>`;
}

export const roleOptions = [
  ['viewer', 'Viewer'],
  ['contributor', 'Contributor'],
  ['admin', 'Admin'],
] as const;

export function select({
  name,
  label,
  value,
  options,
}: {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [string, string])[];
}): Html {
  return html`<div class="field"><label for="${name}">${label}</label>
<select id="${name}" name="${name}">${options.map(
    ([option, text]) =>
      html`<option value="${option}" ${option === value && html`selected`}>${text}</option>`,
  )}</select></div>`;
}

export function facts(rows: readonly (readonly [string, string])[]): Html {
  return html`<dl class="facts">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd><bdi>${value}</bdi></dd></div>`)}</dl>`;
}
