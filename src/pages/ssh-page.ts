/** Public: by what people know the gateways and the CAs. */
import type { SshInfo } from '../api/ssh-info.ts';
import { type Html, html } from './html.ts';
import { layout } from './layout.ts';

export interface SshView {
  readonly info: SshInfo;
  readonly publicUrl: string;
}

export function sshPage({ info, publicUrl }: SshView): string {
  return layout({
    title: 'SSH keys',
    main: html`<div class="heading">
<h1>SSH keys</h1>
<p class="lead">By these you know that a gateway is ours. Programs read them at <a href="/ssh/info"><code>${publicUrl}/ssh/info</code></a>.</p>
</div>
<section aria-labelledby="gateways">
<h2 id="gateways">Gateways</h2>
${info.gateways.length === 0 ? html`<div class="card empty"><p>There is no gateway yet.</p></div>` : gateways(info)}
</section>
<section class="card padded" aria-labelledby="believe">
<h2 id="believe">Without being asked</h2>
<p><code>sally login</code> sets ssh up. For an ssh without <code>sally</code>, this line in <code>~/.ssh/known_hosts</code> makes it
believe every gateway by the names in it, whatever its key:</p>
${info.host_authorities.map(({ known_hosts }) => html`<p><code>${known_hosts}</code></p>`)}
</section>
<section aria-labelledby="authorities">
<h2 id="authorities">Certificate authorities</h2>
<div class="card"><table class="rows">
<thead><tr><th scope="col">Signs</th><th scope="col">Type</th><th scope="col">Fingerprint</th></tr></thead>
<tbody>
${info.host_authorities.map((key) => authority('machines', key))}
${info.user_authorities.map((key) => authority('people', key))}
</tbody>
</table></div>
<p class="note">Several of a kind: one follows the other, and both are good meanwhile.
<a href="/ssh/authority">Public keys for <code>TrustedUserCAKeys</code></a></p>
</section>`,
  });
}

function gateways({ gateways }: SshInfo): Html {
  return html`<div class="card"><table class="rows">
<thead><tr><th scope="col">Name</th><th scope="col">Where</th><th scope="col">Ports</th><th scope="col">Host key</th></tr></thead>
<tbody>
${gateways.map(
  ({ name, address, host_names, ports, host_keys }) => html`<tr data-gateway="${name}">
<th scope="row" data-label="Name"><bdi>${name}</bdi></th>
<td data-label="Where"><span class="stack"><bdi>${address}</bdi>${host_names
    .filter((other) => other !== address)
    .map((other) => html`<small><bdi>${other}</bdi></small>`)}</span></td>
<td data-label="Ports">${ports.join(', ')}</td>
<td data-label="Host key"><span class="stack">${host_keys.map(
    ({ type, fingerprint }) => html`<code>${fingerprint}</code><small>${type}</small>`,
  )}</span></td>
</tr>`,
)}
</tbody>
</table></div>`;
}

function authority(signs: string, { type, fingerprint }: { type: string; fingerprint: string }): Html {
  return html`<tr>
<th scope="row" data-label="Signs">${signs}</th>
<td data-label="Type">${type}</td>
<td data-label="Fingerprint"><code>${fingerprint}</code></td>
</tr>
`;
}
