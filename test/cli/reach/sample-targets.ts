import type { SeenTarget } from '../../../src/api/targets.ts';

let last = 100_000;

/** A target by its name, in the way that the server describes it. */
export function sampleTarget(name: string, facts: Partial<SeenTarget> = {}): SeenTarget {
  const [above = '', app = '', instance = null] = name.split('--');
  const at = above.lastIndexOf('-');
  last += 1;
  return {
    name,
    alias: `${last}-${last + 500_000}`,
    number: last,
    organization: 'acme',
    project: above.slice(0, at),
    environment: above.slice(at + 1),
    environment_kind: above.endsWith('production') ? 'production' : 'staging',
    app,
    instance,
    kind: 'instance',
    role: null,
    labels: {},
    state: 'running',
    address: `10.0.0.${last - 100_000}`,
    port: 22,
    login: 'app',
    journal_unit: null,
    gateways: ['gate'],
    access: 'both',
    ways: ['relay', 'jump'],
    fingerprint: null,
    allowed: true,
    reason: null,
    command: null,
    ...facts,
  };
}
