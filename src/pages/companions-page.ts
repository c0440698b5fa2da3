/** Console: the organization's gateways and hosts and how current they are. */
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { moment } from './times.ts';

export interface CompanionView {
  readonly name: string;
  readonly kind: 'gateway' | 'host';
  readonly address: string;
  readonly enrolled: boolean;
  readonly lastSeenSeconds: number | null;
  /** Null: never acknowledged anything. */
  readonly acknowledgedVersion: bigint | null;
  readonly acknowledgedAtSeconds: number | null;
  readonly problem: string | null;
}

export interface CompanionsView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly organization: string;
  /** What every machine should have acknowledged. */
  readonly stateVersion: bigint;
  readonly companions: readonly CompanionView[];
  readonly nowSeconds: number;
}

export function companionsPage(view: CompanionsView): string {
  return layout({
    title: 'Machines',
    person: view.person,
    current: 'companions',
    isAdmin: true,
    main: html`<div class="heading">
<h1>Machines</h1>
<p class="lead">Gateways and hosts of <strong>${view.organization}</strong>, and whether each has installed what was sent last.</p>
</div>
<section id="machines" data-refresh="5000" aria-label="Machines">
${view.companions.length === 0 ? emptyWords : table(view)}
<p class="note">State version ${view.stateVersion}</p>
</section>`,
  });
}

const emptyWords = html`<div class="card empty"><p>No gateway or host is set up yet.</p></div>`;

function table(view: CompanionsView): Html {
  return html`<div class="card"><table class="rows">
<thead><tr><th scope="col">Name</th><th scope="col">Kind</th><th scope="col">Address</th><th scope="col">Last seen</th>
<th scope="col">State</th></tr></thead>
<tbody>
${view.companions.map((companion) => row(companion, view))}
</tbody>
</table></div>`;
}

function row(companion: CompanionView, view: CompanionsView): Html {
  const { lastSeenSeconds, acknowledgedAtSeconds, problem } = companion;
  return html`<tr data-companion="${companion.name}">
<th scope="row" data-label="Name"><bdi>${companion.name}</bdi></th>
<td data-label="Kind">${companion.kind === 'gateway' ? 'Gateway' : 'Host'}</td>
<td data-label="Address"><bdi>${companion.address}</bdi></td>
<td data-label="Last seen">${
    lastSeenSeconds === null
      ? html`<span class="faint">never</span>`
      : moment(lastSeenSeconds, view.nowSeconds)
  }</td>
<td data-label="State"><span class="stack"><span class="pair">${stateOf(companion, view.stateVersion)}${
    acknowledgedAtSeconds !== null && html` ${moment(acknowledgedAtSeconds, view.nowSeconds)}`
  }</span>${problem !== null && html`<small class="problem"><bdi>${problem}</bdi></small>`}</span></td>
</tr>`;
}

function stateOf(companion: CompanionView, stateVersion: bigint): Html {
  if (!companion.enrolled) return html`<span class="badge">Not enrolled</span>`;
  if (companion.problem !== null) return html`<span class="badge bad">Problem</span>`;
  if (companion.acknowledgedVersion === null) return html`<span class="badge warn">Nothing installed</span>`;
  return companion.acknowledgedVersion >= stateVersion
    ? html`<span class="badge good">Current</span>`
    : html`<span class="badge warn">Behind</span>`;
}
