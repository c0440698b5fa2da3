/** Console: the organization's gateways and hosts and how current they are. */
import type { MachineList, MachineStanding } from '../api/connections.ts';
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { moment } from './times.ts';

export interface CompanionsView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly organization: string;
  readonly machines: MachineList;
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
${view.machines.companions.length === 0 ? emptyWords : table(view)}
<p class="note">State version ${view.machines.version}</p>
</section>`,
  });
}

const emptyWords = html`<div class="card empty"><p>No gateway or host is set up yet.</p></div>`;

function table(view: CompanionsView): Html {
  return html`<div class="card"><table class="rows">
<thead><tr><th scope="col">Name</th><th scope="col">Kind</th><th scope="col">Address</th><th scope="col">Last seen</th>
<th scope="col">State</th></tr></thead>
<tbody>
${view.machines.companions.map((machine) => row(machine, view))}
</tbody>
</table></div>`;
}

function row(machine: MachineStanding, { nowSeconds }: CompanionsView): Html {
  const { name, kind, address, port, last_seen_at, acknowledged_at } = machine;
  return html`<tr data-companion="${name}">
<th scope="row" data-label="Name"><bdi>${name}</bdi></th>
<td data-label="Kind">${kind === 'gateway' ? 'Gateway' : 'Host'}</td>
<td data-label="Address"><bdi>${address}:${port}</bdi></td>
<td data-label="Last seen">${last_seen_at === null ? html`<span class="faint">never</span>` : moment(last_seen_at, nowSeconds)}${
    machine.enrolled && !machine.online && html` <span class="badge warn">Offline</span>`
  }</td>
<td data-label="State"><span class="stack"><span class="pair">${stateOf(machine)}${
    acknowledged_at !== null && html` ${moment(acknowledged_at, nowSeconds)}`
  }</span>${behindWords(machine, nowSeconds)}${problemWords(machine)}</span></td>
</tr>`;
}

function stateOf({ enrolled, problem, acknowledged_version, behind }: MachineStanding): Html {
  if (!enrolled) return html`<span class="badge">Not enrolled</span>`;
  if (problem !== null) return html`<span class="badge bad">Problem</span>`;
  if (acknowledged_version === null) return html`<span class="badge warn">Nothing installed</span>`;
  return behind === null
    ? html`<span class="badge good">Current</span>`
    : html`<span class="badge warn">Behind</span>`;
}

/** What it has not acknowledged, and since when. */
function behindWords({ behind, acknowledged_version }: MachineStanding, nowSeconds: number): Html | null {
  if (behind === null || acknowledged_version === null) return null;
  const { since, ended_sessions } = behind;
  const what = ended_sessions === 1 ? '1 ended session' : `${ended_sessions} ended sessions`;
  return html`<small>Not acknowledged since ${moment(since, nowSeconds)}${ended_sessions > 0 && html`: ${what}`}</small>`;
}

function problemWords({ problem, krl_excess_bytes }: MachineStanding): Html | null {
  const excess =
    krl_excess_bytes &&
    `Its revocation list is ${krl_excess_bytes} bytes over the budget: logins there take longer.`;
  const words = problem ?? excess;
  return words ? html`<small class="problem"><bdi>${words}</bdi></small>` : null;
}
