/** Console: one target, whether it lets one in and why not, and the lines that reach it. */
import type { SeenGateway, SeenTarget } from '../api/targets.ts';
import { copyScriptAsset } from './assets.ts';
import { type Html, html } from './html.ts';
import { layout, type PageFrame } from './layout.ts';
import { plainLines, sallyLines, type TargetLine } from './target-lines.ts';
import { stateBadge } from './targets-page.ts';

export interface TargetView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly isAdmin: boolean;
  readonly target: SeenTarget;
  /** The one that the ssh config takes; undefined: it has none. */
  readonly gateway: SeenGateway | undefined;
}

export function targetPage({ person, isAdmin, target, gateway }: TargetView): string {
  return layout({
    title: target.name,
    person,
    current: 'targets',
    isAdmin,
    main: html`<p class="back"><a href="/console/targets">All targets</a></p>
<section class="card padded">
<h1><bdi>${target.name}</bdi> ${stateBadge(target)}</h1>
${access(target)}
${facts(target, gateway)}
</section>
${lines(target, gateway)}
${keys(target, gateway)}
<script src="${copyScriptAsset.path}" defer></script>`,
  });
}

function access({ allowed, reason, command }: SeenTarget): Html {
  if (allowed) return html`<p>It lets you in.</p>`;
  return html`<p class="problem" role="status">${reason?.message ?? 'It does not let you in.'}</p>
${command !== null && html`<p>What helps: <code>${command}</code></p>`}`;
}

function facts(target: SeenTarget, gateway: SeenGateway | undefined): Html {
  const { project, environment, environment_kind: kind, app, instance, alias, login, address, port } = target;
  const place = gateway
    ? `${gateway.name}, ${gateway.address} port ${gateway.ports.join(', ')}`
    : 'none, it is reached directly';
  const rows: readonly [string, Html][] = [
    ['App', html`${app} of ${project} / ${environment} (${kind})`],
    ['Instance', html`${instance ?? 'the only one'}`],
    ['Id', html`<code>${alias}</code>`],
    ['Address', html`<bdi>${login}@${address}:${port}</bdi>`],
    ['Gateway', html`<bdi>${place}</bdi>`],
  ];
  return html`<dl class="facts">
${rows.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}
</dl>`;
}

function lines(target: SeenTarget, gateway: SeenGateway | undefined): Html {
  if (target.ways.length === 0) {
    return html`<section class="card padded" aria-labelledby="lines">
<h2 id="lines">No way to it</h2>
<p>No gateway serves it and no enrolled host answers for it. An admin assigns a gateway to its environment.</p>
</section>`;
  }
  const plain = plainLines(target, gateway);
  return html`<section class="card padded" aria-labelledby="lines">
<h2 id="lines">Connect</h2>
<p>After <code>sally login</code>:</p>
${sallyLines(target).map((line) => copyLine(line, 'sally'))}
<h3>Without the ssh config of sally</h3>
<p>Put the private key in the place of <code>ID</code>; its certificate lies beside it as <code>ID-cert.pub</code>. So that ssh
believes the machines, it needs the <code>known_hosts</code> line of <a href="/ssh">SSH keys</a>.</p>
${plain.map((line) => copyLine(line, 'plain'))}
</section>`;
}

function keys({ fingerprint }: SeenTarget, gateway: SeenGateway | undefined): Html {
  const known: [string, string, string][] = [];
  if (gateway?.fingerprint) known.push([`Gateway ${gateway.name}`, gateway.fingerprint, 'gateway-key']);
  if (fingerprint !== null) known.push(['The machine it runs on', fingerprint, 'target-key']);
  return html`<section class="card padded" aria-labelledby="keys">
<h2 id="keys">Host keys</h2>
${
  known.length === 0
    ? html`<p>No host key is known here: none of the machines on the way is enrolled.</p>`
    : known.map(
        ([whose, key, id]) => html`<p class="copied-name">${whose}</p>
${copyable(id, key, `Copy the fingerprint of ${whose}`)}`,
      )
}
</section>`;
}

function copyLine({ program, text }: TargetLine, kind: string): Html {
  return copyable(`${kind}-${program}`, text, `Copy the ${program} line`);
}

function copyable(id: string, text: string, label: string): Html {
  return html`<p class="copied"><code id="${id}">${text}</code><button class="quiet" type="button" data-copy="${id}" aria-label="${label}" hidden>Copy</button></p>
`;
}
