/** The part of the tokens page that only admins see: which tokens of CI systems are accepted. */
import type { CiRuleDocument } from '../api/ci-rules.ts';
import { type Html, html } from './html.ts';
import type { PageFrame } from './layout.ts';
import { field, hiddenToken, roleOptions, select, textArea } from './settings-form.ts';

/** As they were typed. */
export interface CiRuleFields {
  readonly name: string;
  readonly system: string;
  readonly issuer: string;
  readonly audience: string;
  readonly claims: string;
  readonly account: string;
  readonly role_limit: string;
  readonly minutes: string;
}

interface CiRulesView {
  readonly person: NonNullable<PageFrame['person']>;
  readonly rules: readonly CiRuleDocument[];
  readonly ruleForm?: { readonly fields: CiRuleFields; readonly problem: string };
}

const emptyFields: CiRuleFields = {
  name: '',
  system: 'github',
  issuer: '',
  audience: '',
  claims: '',
  account: '',
  role_limit: 'contributor',
  minutes: '60',
};

const systemNames: Readonly<Record<CiRuleDocument['system'], string>> = {
  github: 'GitHub Actions',
  gitlab: 'GitLab CI',
  forgejo: 'Forgejo Actions',
  kubernetes: 'Kubernetes',
  other: 'Another issuer',
};

export function ciRulesSection(view: CiRulesView): Html {
  return html`<section aria-labelledby="ci-rules">
<h2 id="ci-rules">CI</h2>
<p class="lead">A job whose token one of these rules accepts gets a session of the rule’s machine account.</p>
<div class="card">${view.rules.length === 0 ? html`<div class="empty"><p>There are no rules: no CI gets in.</p></div>` : table(view.rules)}</div>
</section>
${ruleForm(view)}`;
}

function table(rules: readonly CiRuleDocument[]): Html {
  return html`<table class="rows">
<thead><tr><th scope="col">Rule</th><th scope="col">Tokens of</th><th scope="col">With</th><th scope="col">Become</th>
<th scope="col"><span class="unseen">Action</span></th></tr></thead>
<tbody>
${rules.map(row)}
</tbody>
</table>`;
}

function row({ id, name, system, issuer, audience, claims, account, role_limit }: CiRuleDocument): Html {
  return html`<tr data-rule="${name}">
<th scope="row" data-label="Rule">${name}</th>
<td data-label="Tokens of"><span class="stack">${systemNames[system]} <small><bdi>${issuer}</bdi></small> <small>for <bdi>${audience}</bdi></small></span></td>
<td data-label="With"><span class="stack">${Object.entries(claims).map(
    ([claim, patterns]) => html`<small><code>${claim}</code> <bdi>${patterns.join(' or ')}</bdi></small>`,
  )}</span></td>
<td data-label="Become"><span class="stack"><bdi>${account}</bdi> <small>at most ${role_limit}</small></span></td>
<td class="action"><a class="button danger small" href="/console/tokens/ci-rules/${id}/remove">Remove<span class="unseen"> ${name}</span></a></td>
</tr>`;
}

function ruleForm({ person, ruleForm: form }: CiRulesView): Html {
  const fields = form?.fields ?? emptyFields;
  const systems = Object.entries(systemNames);
  return html`<section class="card padded" aria-labelledby="new-rule">
<h2 id="new-rule">New rule for CI</h2>
${form && html`<p class="problem" role="alert">${form.problem}</p>`}
<form method="post" action="/console/tokens/ci-rules">
${hiddenToken(person)}
${field({ name: 'name', label: 'Name', value: fields.name, note: 'Small letters, digits and hyphens.' })}
${select({ name: 'system', label: 'System', value: fields.system, options: systems })}
${field({ name: 'issuer', label: 'Issuer', value: fields.issuer, note: 'Empty: that of github.com or gitlab.com.' })}
${field({ name: 'audience', label: 'Audience', value: fields.audience, note: 'What the job asks its token for. Empty: this server’s address.' })}
${textArea({
  name: 'claims',
  label: 'Claims',
  value: fields.claims,
  note: 'One a line, such as repository = acme/web. All claims must hold; of several lines for one claim, any. * stands for anything without / and :, ** for anything.',
})}
${field({ name: 'account', label: 'Machine account', value: fields.account, note: 'Such as deploy@example.com.' })}
${select({ name: 'role_limit', label: 'Role at most', value: fields.role_limit, options: roleOptions })}
${field({ name: 'minutes', label: 'Minutes that a session lasts', value: fields.minutes, note: '5 to 1440.' })}
<p class="actions"><button type="submit">Make the rule</button></p>
</form>
</section>`;
}
