/** The question whether a machine may log in as a person, with everything that tells the right machine from another. */
import { type Html, html } from './html.ts';
import { layout } from './layout.ts';
import { moment } from './times.ts';

export interface DeviceApprovalView {
  readonly csrfToken: string;
  readonly account: string;
  readonly identityProvider: string;
  readonly machine: {
    readonly address: string;
    /** What it calls itself. */
    readonly name: string | null;
    /** Thumbprint (RFC 7638). */
    readonly key: string;
  };
  readonly browserAddress: string;
  readonly sameNetwork: boolean;
  /** Unix seconds. */
  readonly untilSeconds: number;
  readonly nowSeconds: number;
}

export function deviceApprovalPage(view: DeviceApprovalView): string {
  const { account, machine, browserAddress, sameNetwork } = view;
  const facts: readonly (readonly [string, Html])[] = [
    ['You', html`<bdi>${account}</bdi>, by ${view.identityProvider}`],
    ['Machine', nameOf(machine.name)],
    ['Its key', html`<code>${machine.key}</code><small>must be the one that sally shows there</small>`],
    ['Asks from', html`<span class="address">${machine.address}</span>`],
    ['This browser', html`<span class="address">${browserAddress}</span> ${networkBadge(sameNetwork)}`],
    ['What for', html`SSH as you. It ends ${moment(view.untilSeconds, view.nowSeconds)} at the latest`],
  ];
  return layout({
    title: 'May this machine log in as you?',
    width: 'narrow',
    main: html`<section class="card">
<h1>May this machine log in as you?</h1>
<dl class="facts">
${facts.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}
</dl>
<p><strong>Say yes only if you started this login yourself, just now, on that machine.</strong>
Whoever sent you a code or a link, or calls you about it, wants to log in as you.</p>
<form class="actions" method="post" action="/device/approve">
<input type="hidden" name="csrf_token" value="${view.csrfToken}">
<button class="danger" type="submit" name="decision" value="deny">No</button>
<button class="button plain" type="submit" name="decision" value="approve">Yes, this is my machine</button>
</form>
</section>`,
  });
}

function nameOf(name: string | null): Html {
  if (name === null) return html`<span class="faint">gives no name</span>`;
  return html`<bdi>${name}</bdi><small>says the machine; nobody has verified it</small>`;
}

function networkBadge(sameNetwork: boolean): Html {
  return sameNetwork
    ? html`<span class="badge good">same network</span>`
    : html`<span class="badge bad">another network</span>`;
}
