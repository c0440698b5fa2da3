/** What the server says that one may see. */
import {
  mostTargetsOfPage,
  type SeenGateway,
  type SeenTarget,
  type TargetsReply,
  targetsReply,
} from '../../api/targets.ts';
import type { SallyContext } from '../context.ts';
import { callSignedIn } from '../signed-in.ts';

export interface Seen {
  readonly account: string;
  readonly targets: readonly SeenTarget[];
  readonly gateways: ReadonlyMap<string, SeenGateway>;
  /** Apps without an instance, by full name. */
  readonly emptyApps: readonly string[];
}

/** Every page, one after the other. @throws what the server refuses with; unavailable */
export async function seenTargets(context: SallyContext): Promise<Seen> {
  const targets: SeenTarget[] = [];
  const gateways = new Map<string, SeenGateway>();
  const emptyApps: string[] = [];
  let after: string | null = null;
  for (;;) {
    const query: URLSearchParams = new URLSearchParams({
      limit: String(mostTargetsOfPage),
      ...(after !== null && { after }),
    });
    const page: TargetsReply = await callSignedIn(context, {
      method: 'GET',
      path: `/v1/targets?${query}`,
      reply: targetsReply,
    });
    targets.push(...page.targets);
    emptyApps.push(...page.empty_apps);
    for (const gateway of page.gateways) gateways.set(gateway.name, gateway);
    // A server that goes in circles is not followed.
    if (page.next === null || (after !== null && page.next <= after)) {
      return { account: page.account, targets, gateways, emptyApps };
    }
    after = page.next;
  }
}
