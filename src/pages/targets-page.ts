/** Console: what one may see of the targets, and whether they let one in. */
import type { SeenTarget, TargetsReply } from '../api/targets.ts';
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';

export interface TargetsView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly isAdmin: boolean;
  readonly page: TargetsReply;
  /** Whether this is not the first page. */
  readonly isLater: boolean;
}

export function targetsPage({ person, isAdmin, page, isLater }: TargetsView): string {
  const { targets, empty_apps, next } = page;
  return layout({
    title: 'Targets',
    person,
    current: 'targets',
    isAdmin,
    main: html`<div class="heading">
<h1>Targets</h1>
<p class="lead">What you have a role on, with the lines that reach it, judged by your login in this browser.
To log in on your machine: <code>sally login</code></p>
</div>
<section aria-label="Targets">
${targets.length === 0 && !isLater ? empty(empty_apps.length > 0) : table(targets)}
${
  empty_apps.length > 0 &&
  html`<p class="note">Without an instance now: ${empty_apps.map((name) => html`<code>${name}</code> `)}</p>`
}
${(isLater || next !== null) && pager(isLater, next)}
</section>`,
  });
}

function empty(hasApps: boolean): Html {
  const words = hasApps
    ? 'None of your apps has an instance now.'
    : 'You have no role on any project or environment. Ask an admin for one.';
  return html`<div class="card empty"><p>${words}</p></div>`;
}

function table(targets: readonly SeenTarget[]): Html {
  return html`<div class="card"><table class="rows">
<thead><tr><th scope="col">Target</th><th scope="col">Environment</th><th scope="col">State</th><th scope="col">Access</th></tr></thead>
<tbody>
${targets.map(row)}
</tbody>
</table></div>`;
}

function row(target: SeenTarget): Html {
  const { name, project, environment, environment_kind: kind } = target;
  return html`<tr data-target="${name}">
<th scope="row" data-label="Target"><a href="/console/targets/${name}"><bdi>${name}</bdi></a></th>
<td data-label="Environment"><span class="stack">${project} / ${environment}${environment !== kind && html`<small>${kind}</small>`}</span></td>
<td data-label="State">${stateBadge(target)}</td>
<td data-label="Access">${accessWords(target)}</td>
</tr>
`;
}

export function stateBadge({ state }: SeenTarget): Html {
  const tone = { running: 'good', starting: 'warn', paused: 'warn', stopped: '', inactive: '' }[state];
  return html`<span class="badge ${tone}">${state.slice(0, 1).toUpperCase()}${state.slice(1)}</span>`;
}

function accessWords({ allowed, reason }: SeenTarget): Html {
  if (allowed) return html`<span class="badge good">Allowed</span>`;
  return html`<span class="stack"><span class="pair"><span class="badge bad">Refused</span></span><small><bdi>${reason?.message ?? ''}</bdi></small></span>`;
}

function pager(isLater: boolean, next: string | null): Html {
  return html`<p class="actions">${isLater && html`<a class="button plain" href="/console/targets">First page</a>`}
${next !== null && html`<a class="button plain" href="/console/targets?after=${next}">Next page</a>`}</p>`;
}
