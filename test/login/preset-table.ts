/** A preset as docs/identity-providers.md shows it. */
import type { Preset } from '../../src/login/presets.ts';

/** Name of each setting, and its value in Markdown. */
export function rowsOf({
  scopes,
  claims,
  trustEmail,
  groups,
  assurance,
  upstream,
  maxAge,
}: Preset): [string, string][] {
  const { amr, multiFactorAmr, multiFactorAcr, stepUp } = assurance;
  const renamed = Object.entries(amr).filter(([value, methods]) => methods.join() !== value);
  const same = Object.keys(amr).length - renamed.length;
  return [
    ['scopes', words(scopes)],
    ['claims.account', words([claims.account])],
    ['claims.name', words([claims.name])],
    ['claims.groups', words([claims.groups])],
    ['trust_email', words([String(trustEmail)])],
    ['groups.overage', words([groups.overage === 'refuse' ? 'refuse' : `fetch: ${groups.overage.fetch}`])],
    [
      'assurance.amr',
      [
        ...(same > 10
          ? ['as RFC 8176 has them']
          : Object.keys(amr)
              .filter((value) => amr[value]?.join() === value)
              .map((value) => `\`${value}\``)),
        ...renamed.map(([value, methods]) => `\`${value}\` is ${words(methods)}`),
      ].join(', ') || 'none',
    ],
    [
      'assurance.multi_factor_amr',
      multiFactorAmr.map((set) => set.map((value) => `\`${value}\``).join(' and ')).join(', ') || 'none',
    ],
    ['assurance.multi_factor_acr', words(multiFactorAcr)],
    [
      'assurance.step_up',
      stepUp === null
        ? 'none'
        : 'prompt' in stepUp
          ? '`prompt: login`'
          : `\`acr_values\` ${words(stepUp.acrValues)}`,
    ],
    ['upstream.refresh', words([upstream.refresh])],
    ['max_age', words([String(maxAge)])],
  ];
}

function words(list: readonly string[]): string {
  return list.length === 0 ? 'none' : `\`${list.join(' ')}\``;
}
