/** Console: which SSH connections live right now, as the machines beside them say. */
import type { LiveConnection } from '../api/connections.ts';
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { moment } from './times.ts';

export interface ConnectionsView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly organization: string;
  readonly isAdmin: boolean;
  readonly connections: readonly LiveConnection[];
  readonly nowSeconds: number;
}

export function connectionsPage(view: ConnectionsView): string {
  const { isAdmin, organization, connections } = view;
  return layout({
    title: 'Connections',
    person: view.person,
    current: 'connections',
    isAdmin,
    main: html`<div class="heading">
<h1>Connections</h1>
<p class="lead">${
      isAdmin
        ? html`SSH connections to machines of <strong>${organization}</strong> that live right now. Ending a session ends its connections.`
        : html`Your SSH connections that live right now. Ending a session ends its connections.`
    }</p>
</div>
<section id="connections" data-refresh="5000" aria-label="Connections">
${connections.length === 0 ? emptyWords : table(view)}
</section>`,
  });
}

const emptyWords = html`<div class="card empty"><p>Nobody is connected.</p></div>`;

function table(view: ConnectionsView): Html {
  return html`<div class="card"><table class="rows">
<thead><tr><th scope="col">Account</th><th scope="col">Target</th><th scope="col">Through</th><th scope="col">Way</th>
<th scope="col">Since</th><th scope="col">From</th></tr></thead>
<tbody>
${view.connections.map((connection) => row(connection, view))}
</tbody>
</table></div>`;
}

function row(connection: LiveConnection, { nowSeconds }: ConnectionsView): Html {
  const { account, session_id, companion, target, way, started_at, client_address, ending } = connection;
  return html`<tr data-session="${session_id}">
<th scope="row" data-label="Account"><a href="/console/sessions/${session_id}"><bdi>${account}</bdi></a>${
    ending && html` <span class="badge warn">Ending</span>`
  }</th>
<td data-label="Target">${target === null ? noTarget(connection) : html`<bdi>${target}</bdi>`}</td>
<td data-label="Through"><bdi>${companion}</bdi></td>
<td data-label="Way">${way === null ? html`<span class="faint">unknown</span>` : ways[way]}</td>
<td data-label="Since">${moment(started_at, nowSeconds)}</td>
<td data-label="From">${client_address === null ? html`<span class="faint">unknown</span>` : html`<bdi>${client_address}</bdi>`}</td>
</tr>`;
}

/** A host does not say which of its instances somebody is at: they may share a login. */
function noTarget({ companion_kind, way }: LiveConnection): Html {
  const words = companion_kind === 'host' ? 'the host itself' : way === 'refusal' ? 'none' : 'none yet';
  return html`<span class="faint">${words}</span>`;
}

const ways: Readonly<Record<NonNullable<LiveConnection['way']>, string>> = {
  relay: 'Relayed',
  jump: 'Jump',
  host: 'At the host',
  menu: 'Menu',
  refusal: 'Being refused',
};
