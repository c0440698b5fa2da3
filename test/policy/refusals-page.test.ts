/** docs/refusals.md names every reason there is, in the words that people see. A new reason gets a row in both. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type ReasonCode, reason, reasonTable } from '../../src/policy/reasons.ts';

type About = { [Code in ReasonCode]: Parameters<(typeof reasonTable)[Code]['message']> };

/** Who can do something about it, and what the words of the page are about. */
const rows: { [Code in ReasonCode]: readonly [who: string, ...about: About[Code]] } = {
  target_unknown: ['you, an admin'],
  environment_unknown: ['you, an admin'],
  machine_unknown: ['you, an admin'],
  account_disabled: ['an admin', 'example'],
  account_name_invalid: ['an admin'],
  session_ended: ['you'],
  session_expired: ['you'],
  session_ending: ['you', 90],
  machines_refused: ['an admin', 'example'],
  source_refused: ['you, an admin', '192.0.2.7'],
  person_needed: ['you'],
  ssh_codes_refused: ['an admin', 'example'],
  registered_keys_refused: ['an admin', 'example'],
  ssh_disabled: ['an admin', 'project', 'shop'],
  hardware_key_required: ['you', 'example'],
  hardware_key_unverified: ['you', 'example'],
  hardware_key_unattested: ['you', 'example'],
  hardware_key_model: ['you', 'example'],
  role_insufficient: ['an admin', 'admin', 'viewer'],
  person_required: ['you', 'production'],
  no_instance: ['who deploys', 'shop-production--web'],
  instance_needed: ['you', 'shop-production--web', ['shop-production--web--1', 'shop-production--web--2']],
  instance_starting: ['nobody', 'shop-production--web'],
  instance_stopped: ['who deploys', 'shop-production--web'],
  instance_paused: ['who deploys', 'shop-production--web'],
  instance_inactive: ['who deploys', 'shop-production--web'],
  relay_off: ['you', 'production'],
  host_missing: ['you, an operator'],
  machine_stale: ['an operator', 7_200],
  machine_clock: ['an operator', 600],
  mfa_impossible: ['an admin', 'production'],
  mfa_missing: ['you', 'environment', 'production'],
  mfa_too_old: ['you', 'environment', 'production', 900],
};

function rowOf<Code extends ReasonCode>(code: Code): string {
  const [who, ...about] = rows[code];
  const { message, command } = reason(code, ...(about as unknown as About[Code]));
  return `| \`${code}\` | ${message} | ${who} | ${command === null ? '' : `\`${command}\``} |`;
}

test('the page has a row for every reason, in the order of importance, with its own words', () => {
  const page = readFileSync(new URL('../../docs/refusals.md', import.meta.url), 'utf8');
  const found = page.split('\n').filter((line) => /^\| `[a-z_]+` \|/.test(line));
  expect(found).toEqual((Object.keys(reasonTable) as ReasonCode[]).map(rowOf));
});
