/** By way of which target a tunnel goes, and what is behind it: asked when it is opened, and again after each loss. */
import { type OpenService, type ServicesReply, servicesReply } from '../../api/services.ts';
import type { SeenTarget } from '../../api/targets.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { printable } from '../printable.ts';
import { appName, matching } from '../reach/choose.ts';
import { askWhich, findTarget, requireAllowed, type Selection, withApp } from '../reach/find-target.ts';
import { type Seen, seenTargets } from '../reach/seen-targets.ts';
import { callSignedIn } from '../signed-in.ts';
import { afterStepUp } from '../step-up.ts';
import { tableLines } from '../terminal.ts';

export interface Reached {
  readonly seen: Seen;
  readonly target: SeenTarget;
  readonly services: readonly OpenService[];
}

/**
 * For a person who opens a tunnel: they are asked which environment, where several fit, and may log in again.
 * @throws not_found, name_refused, access_denied, forbidden
 */
export async function reachServices(context: SallyContext, selection: Selection): Promise<Reached> {
  const seen = await seenTargets(context);
  let target = await anyOfOneEnvironment(context, seen, selection);
  let isFirst = true;
  await afterStepUp(context, async () => {
    if (!isFirst) target = sameOf(await seenTargets(context), target) ?? target;
    isFirst = false;
    requireAllowed(target);
  });
  const reply = await servicesBehind(context, target);
  if (reply.services.length === 0) throw nothingOpen(target, reply);
  return { seen, target, services: reply.services };
}

/** Services are the environment's: through which of its instances one gets there makes no difference. */
async function anyOfOneEnvironment(
  context: SallyContext,
  seen: Seen,
  selection: Selection,
): Promise<SeenTarget> {
  const wanted = await withApp(context, seen, selection);
  const named = seen.targets.filter((target) => namesEnvironment(wanted.name, target));
  const found = named.length > 0 ? named : matching(seen.targets, wanted);
  const usable = found.filter(isUsable);
  const ofEnvironments = new Map<string, SeenTarget>();
  // The best of each comes last, and stays.
  for (const one of usable.sort((one, other) => rank(other) - rank(one)))
    ofEnvironments.set(environmentOf(one), one);
  const [best, ...others] = ofEnvironments.values();
  if (wanted.instance !== undefined || !best || (others.length > 0 && selection.any)) {
    return await findTarget(context, seen, { ...wanted, any: selection.any });
  }
  return others.length === 0 ? best : await chosenEnvironment(context, ofEnvironments);
}

function environmentOf({ project, environment }: SeenTarget): string {
  return `${project}-${environment}`;
}

async function chosenEnvironment(
  { ask, terminal }: SallyContext,
  found: ReadonlyMap<string, SeenTarget>,
): Promise<SeenTarget> {
  const names = [...found.keys()].sort();
  const { head, rows } = tableLines(
    ['', 'ENVIRONMENT'],
    names.map((name, at) => [String(at + 1), printable(name)]),
  );
  const lines = [...head, ...rows];
  if (!ask) {
    throw new SallyportError(
      'name_refused',
      `There are several environments. Name one of them:\n${lines.join('\n')}`,
    );
  }
  return await askWhich(terminal, ask, lines, (answer) =>
    found.get(/^[1-9][0-9]{0,4}$/.test(answer) ? (names[Number(answer) - 1] ?? '') : answer),
  );
}

/** Whole names: shop-staging is not the beginning of shop-staging2. */
function namesEnvironment(name: string | undefined, { project, environment }: SeenTarget): boolean {
  return name === `${project}-${environment}` || name === `${project}.${environment}`;
}

function isUsable({ gateways, ways }: SeenTarget): boolean {
  return gateways.length > 0 || ways.includes('host');
}

export async function servicesBehind(context: SallyContext, { name }: SeenTarget): Promise<ServicesReply> {
  const query = new URLSearchParams({ target: name });
  return await callSignedIn(context, { method: 'GET', path: `/v1/services?${query}`, reply: servicesReply });
}

/** The same instance, or another one of its app, or of its environment. Those that let one in come first. */
export function sameOf(
  { targets }: Pick<Seen, 'targets'>,
  last: Pick<SeenTarget, 'name' | 'project' | 'environment' | 'app'>,
): SeenTarget | undefined {
  const distance = (target: SeenTarget) => (target.name === last.name ? 0 : target.app === last.app ? 1 : 2);
  return targets
    .filter(({ project, environment }) => project === last.project && environment === last.environment)
    .filter(isUsable)
    .sort((one, other) => distance(one) - distance(other))
    .sort((one, other) => rank(one) - rank(other))[0];
}

/** Who lets one in comes first, and what serves the app before its workers and tasks. */
function rank({ allowed, kind }: SeenTarget): number {
  return (allowed ? 0 : 2) + (kind === 'instance' ? 0 : 1);
}

function nothingOpen(target: SeenTarget, { closed }: ServicesReply): SallyportError {
  const { project, environment } = target;
  if (closed.length === 0) {
    return new SallyportError(
      'not_found',
      `${project}-${environment} has no services. An admin records them in the inventory: sally admin export --help`,
    );
  }
  const [first] = closed;
  const names = closed.map(({ name }) => printable(name)).join(', ');
  if (first?.reason === 'forwarding_off') {
    return new SallyportError(
      'access_denied',
      `${appName(target)} allows no tunnels, so not to ${names} either. An admin allows them as local_forwarding of the app.`,
    );
  }
  return new SallyportError(
    'access_denied',
    `Your role does not reach as far as ${names}: a tunnel there takes ${first?.role}. Ask an admin for it.`,
  );
}
