import { Argument, type Command, Option } from 'commander';
import { collected, type Go, span, sub } from './build.ts';
import { roleOption } from './credentials.ts';
import { addInventoryCommands } from './inventory.ts';

export function addAdminCommands(program: Command, go: Go): void {
  const admin = sub(program, 'admin', 'who is in, accounts, machines, the inventory, policy');
  addSessions(admin, go);
  addAccounts(admin, go);

  const providers = sub(admin, 'providers', 'identity providers of the organization');
  sub(providers, 'list', 'those that people can log in at')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('../commands/admin-providers.ts')).providersList(context, options)),
    );
  addCiRules(admin, go);
  addConnections(admin, go);
  addInventoryCommands(admin, go);
  addPolicy(admin, go);
  addHardwareKeys(admin, go);
}

function addHardwareKeys(admin: Command, go: Go): void {
  const keys = sub(admin, 'hardware-keys', 'whether keys must be in security keys, and in whose');
  const load = () => import('../commands/admin-hardware-keys.ts');
  sub(keys, 'show', 'what the organization asks of keys')
    .option('--json', 'for programs')
    .action((options) => go(async (context) => (await load()).hardwareKeysShow(context, options)));
  sub(keys, 'set', 'ask for something else; what is not named stays')
    .addArgument(
      new Argument('[keys]', 'verified: that ask for a PIN or a finger').choices([
        'off',
        'required',
        'verified',
      ]),
    )
    .addOption(
      new Option('--attestation <word>', "the maker's word for each key").choices(['off', 'required']),
    )
    .option('--authority <file>', "PEM: a maker's authority that is believed; repeatable", collected)
    .option('--model <aaguid>', 'only this model; repeatable', collected)
    .option('--any-model', 'models make no difference')
    .option('--yes', 'without asking')
    .option('--json', 'for programs')
    .action((wanted, options) =>
      go(async (context) => (await load()).hardwareKeysSet(context, wanted, options)),
    );
}

function addPolicy(admin: Command, go: Go): void {
  const policy = sub(admin, 'policy', 'who gets in where');
  sub(policy, 'test', 'try the cases of a YAML file; ends with 1 if one fails')
    .argument('<file>', 'the cases, or - for standard input')
    .option('--inventory <file>', 'as if this inventory had been applied, which it is not')
    .option('--prune', 'as of applying it')
    .option('--json', 'for programs')
    .option('--junit', 'for CI systems: JUnit XML')
    .addHelpText('after', () => policyHelp)
    .action((file: string, options) =>
      go(async (context) => (await import('../commands/policy-test.ts')).policyTest(context, file, options)),
    );
}

const policyHelp = `
Example of a file:
  cases:
    - name: developers need a fresh second factor on production
      groups: [developers]
      target: shop-production--web
      mfa: { age: 3600 }
      expect: denied
      reasons: [mfa_too_old]
`;

function addSessions(admin: Command, go: Go): void {
  const sessions = sub(admin, 'sessions', 'login sessions of the organization');
  sub(sessions, 'list', 'who is logged in')
    .option('--all', 'ended ones too')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) =>
        (await import('../commands/admin-sessions.ts')).adminSessionsList(context, options),
      ),
    );
  sub(sessions, 'revoke', 'end sessions, with their certificates and live connections')
    .argument('[who]', 'a session id, or an account: the sessions it has now')
    .option('--account <account>', 'every session of the account')
    .option('--before <time>', 'every session that began before, such as 2026-05-04T10:00:00Z or now')
    .option('--yes', 'without asking')
    .option('--json', 'for programs')
    .action((who: string | undefined, options) =>
      go(async (context) =>
        (await import('../commands/admin-sessions.ts')).adminSessionsRevoke(context, who, options),
      ),
    );
}

function addConnections(admin: Command, go: Go): void {
  const connections = sub(admin, 'connections', 'live SSH connections of the organization');
  sub(connections, 'list', 'who is connected where')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) =>
        (await import('../commands/admin-connections.ts')).adminConnectionsList(context, options),
      ),
    );
  const machines = sub(admin, 'machines', 'gateways and hosts of the organization');
  sub(machines, 'list', 'which are online, and which have not installed what was sent last')
    .option('--behind', 'only those that have not')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) =>
        (await import('../commands/admin-connections.ts')).adminMachinesList(context, options),
      ),
    );
}

function addAccounts(admin: Command, go: Go): void {
  const accounts = sub(admin, 'accounts', 'people and machines of the organization');
  sub(accounts, 'list', 'all of them')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('../commands/admin-accounts.ts')).accountsList(context, options)),
    );
  sub(accounts, 'disable', 'end everything of an account, and refuse its logins')
    .argument('<account>', 'such as bob@example.com')
    .option('--yes', 'without asking')
    .option('--json', 'for programs')
    .action((account: string, options) =>
      go(async (context) =>
        (await import('../commands/admin-accounts.ts')).accountsDisable(context, account, options),
      ),
    );
  sub(accounts, 'enable', 'let an account log in again')
    .argument('<account>', 'such as bob@example.com')
    .option('--json', 'for programs')
    .action((account: string, options) =>
      go(async (context) =>
        (await import('../commands/admin-accounts.ts')).accountsEnable(context, account, options),
      ),
    );
  sub(accounts, 'create-machine', 'make an account for API tokens and CI rules')
    .argument('<account>', 'such as deploy@example.com')
    .option('--display-name <text>', 'what people see')
    .option('--json', 'for programs')
    .action((account: string, options) =>
      go(async (context) =>
        (await import('../commands/admin-accounts.ts')).createMachine(context, account, options),
      ),
    );
}

function addCiRules(admin: Command, go: Go): void {
  const rules = sub(admin, 'ci-rules', 'which tokens of a CI system become which account');
  sub(rules, 'list', 'all of them')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('../commands/admin-ci-rules.ts')).ciRulesList(context, options)),
    );
  sub(rules, 'add', 'make one')
    .argument('<name>', 'a slug, such as shop-deploy')
    .requiredOption('--system <system>', 'github, gitlab, forgejo, kubernetes or other')
    .requiredOption('--account <machine>', 'the machine account that the tokens become')
    .requiredOption('--claim <name=pattern>', 'what a token must say; repeatable, all must hold', collected)
    .addOption(roleOption('the most that it may do'))
    .option('--issuer <url>', 'of the tokens, where the system has none of its own')
    .option('--audience <text>', 'of the tokens (default: this server)')
    .option('--lasts <span>', 'how long a session lasts, such as 30m (default: 1h)', span)
    .option('--json', 'for programs')
    .addHelpText('after', () => ciRulesHelp)
    .action((name: string, options) =>
      go(async (context) =>
        (await import('../commands/admin-ci-rules.ts')).ciRulesAdd(context, name, options),
      ),
    );
  sub(rules, 'remove', 'end it, with its sessions')
    .argument('<rule>', 'its name')
    .option('--json', 'for programs')
    .action((which: string, options) =>
      go(async (context) =>
        (await import('../commands/admin-ci-rules.ts')).ciRulesRemove(context, which, options),
      ),
    );
}

const ciRulesHelp = `
Examples:
  sally admin ci-rules add shop-deploy --system github \\
    --claim repository=acme/shop --claim environment=production \\
    --account deploy@example.com --role contributor
  sally admin ci-rules add cluster --system kubernetes \\
    --issuer https://cluster.example.com --account jobs@example.com \\
    --claim sub=system:serviceaccount:jobs:runner
`;
