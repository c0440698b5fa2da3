/** Examples for the help of commands whose own text has none, by the command without "sally". Loaded only for the help. */
import type { Command } from 'commander';

const examples: Readonly<Record<string, readonly string[]>> = {
  logout: ['sally logout', 'sally logout --other', 'sally logout --all'],
  status: ['sally status', "sally status --json | jq '.certificate.valid_before'"],
  whoami: ['sally whoami', 'sally whoami --json'],
  sessions: ['sally sessions list', 'sally sessions end 0190b3c4-aaaa-7bbb-8ccc-000000000001'],
  'sessions list': ['sally sessions list', 'sally sessions list --all --json'],
  'sessions end': ['sally sessions end 0190b3c4-aaaa-7bbb-8ccc-000000000001'],
  passkeys: ['sally passkeys', 'sally passkeys --no-browser'],
  upload: ['sally upload report.csv', 'sally upload -r site www/ --to shop-staging--web'],
  download: ['sally download log/today', 'sally download -r log . --from shop-staging--web'],
  ls: ['sally ls', 'sally ls web --environment staging', 'sally ls --json'],
  target: ['sally target web', 'sally target shop-production--web --json'],
  link: ['sally link shop-production--web', 'sally link --show', 'sally link --remove'],
  gateway: ['sally gateway check', 'sally gateway fingerprint gate'],
  'gateway check': ['sally gateway check', 'sally gateway check --json'],
  'gateway fingerprint': [
    'sally gateway fingerprint',
    'sally gateway fingerprint gate --server https://ssh.example.com',
  ],
  logs: ['sally logs web', 'sally logs web --since "10 min ago" --no-follow'],
  bastion: [
    'sally bastion open me@bastion.example.com --ttl 1h',
    'sally bastion list',
    'sally bastion close',
  ],
  'bastion open': ['sally bastion open me@bastion.example.com:2222 --ttl 20m'],
  'bastion list': ['sally bastion list', 'sally bastion list --json'],
  'bastion close': ['sally bastion close me@bastion.example.com', 'sally bastion close'],
  tunnel: [
    'sally tunnel open',
    'sally tunnel list',
    'eval "$(sally tunnel env)"',
    'sally tunnel close --all',
  ],
  cert: ['sally cert show', 'sally cert ensure --force'],
  'cert show': ['sally cert show', 'sally cert show --json'],
  'admin hardware-keys': ['sally admin hardware-keys show', 'sally admin hardware-keys set required'],
  'admin hardware-keys show': ['sally admin hardware-keys show --json'],
  'admin hardware-keys set': [
    'sally admin hardware-keys set verified --yes',
    'sally admin hardware-keys set --attestation required --authority maker.pem',
    'sally admin hardware-keys set off',
  ],
  'cert ensure': ['sally cert ensure', 'sally cert ensure --environment shop/production'],
  'cert reset': ['sally cert reset'],
  explain: [
    'sally explain shop-production--web',
    'sally explain bob@example.com shop-production--web --mfa-age 10m',
    'sally explain shop-production--web --at "in 2h"',
  ],
  'ssh-config': ['sally ssh-config install', 'sally ssh-config show', 'sally ssh-config uninstall'],
  'ssh-config install': [
    'sally ssh-config install',
    'SALLY_TOKEN=... sally ssh-config install --server https://ssh.example.com',
  ],
  'ssh-config uninstall': ['sally ssh-config uninstall'],
  'ssh-config policy': ['sally ssh-config policy', 'sally ssh-config policy ask'],
  'ssh-config show': ['sally ssh-config show'],
  token: [
    'sally token create backup --role viewer --expires 30d',
    'sally token list',
    'sally token revoke backup',
  ],
  'token list': ['sally token list', 'sally token list --json'],
  'token revoke': ['sally token revoke backup'],
  'timer install': ['sally timer install'],
  'timer uninstall': ['sally timer uninstall'],
  'timer status': ['sally timer status', 'sally timer status --json'],
  'profile list': ['sally profile list', 'sally profile list --json'],
  'profile use': ['sally profile use work', 'sally profile use default'],
  'profile add': ['sally profile add work --server https://ssh.example.com'],
  'profile set': ['sally profile set work', 'sally profile set work --keychain'],
  'profile trust': ['sally profile trust', 'sally --profile work profile trust --yes'],
  'profile remove': ['sally profile remove work --yes'],
  'ssh-keys': [
    'sally ssh-keys list',
    'sally ssh-keys add ~/.ssh/id_ed25519.pub',
    'sally ssh-keys remove laptop',
  ],
  'ssh-keys list': ['sally ssh-keys list', 'sally ssh-keys list --account bob@example.com --json'],
  'ssh-keys add': ['sally ssh-keys add ~/.ssh/id_ed25519.pub --name laptop --expires 30d'],
  'ssh-keys remove': ['sally ssh-keys remove laptop'],
  'ssh-keys remove-all': ['sally ssh-keys remove-all --yes'],
  'lease list': ['sally lease list', 'sally lease list --json'],
  'lease end': ['sally lease end gate', 'sally lease end'],
  admin: ['sally admin sessions list', 'sally admin apply -f inventory.yaml --dry-run'],
  'admin sessions': ['sally admin sessions list', 'sally admin sessions revoke bob@example.com'],
  'admin sessions list': ['sally admin sessions list', 'sally admin sessions list --all --json'],
  'admin sessions revoke': [
    'sally admin sessions revoke bob@example.com',
    'sally admin sessions revoke --before now --yes',
  ],
  'admin accounts': ['sally admin accounts list', 'sally admin accounts disable bob@example.com'],
  'admin accounts list': ['sally admin accounts list', 'sally admin accounts list --json'],
  'admin accounts disable': ['sally admin accounts disable bob@example.com'],
  'admin accounts enable': ['sally admin accounts enable bob@example.com'],
  'admin accounts create-machine': ['sally admin accounts create-machine deploy@example.com'],
  'admin providers': ['sally admin providers list'],
  'admin providers list': ['sally admin providers list', 'sally admin providers list --json'],
  'admin ci-rules': ['sally admin ci-rules list', 'sally admin ci-rules remove shop-deploy'],
  'admin ci-rules list': ['sally admin ci-rules list', 'sally admin ci-rules list --json'],
  'admin ci-rules remove': ['sally admin ci-rules remove shop-deploy'],
  'admin connections': ['sally admin connections list'],
  'admin connections list': ['sally admin connections list', 'sally admin connections list --json'],
  'admin machines': ['sally admin machines list --behind'],
  'admin machines list': ['sally admin machines list', 'sally admin machines list --behind --json'],
  'admin export': ['sally admin export -o inventory.yaml', 'sally admin export --json'],
  'admin switch': ['sally admin switch off shop/production', 'sally admin switch on --organization --yes'],
  'admin inventory': ['sally admin inventory list projects', 'sally admin inventory schema'],
  'admin inventory list': [
    'sally admin inventory list apps',
    'sally admin inventory list instances --app shop/production/web --state running',
  ],
  'admin inventory schema': ['sally admin inventory schema > inventory.schema.json'],
  'admin policy': ['sally admin policy test cases.yaml'],
  'admin policy test': [
    'sally admin policy test cases.yaml',
    'sally admin policy test cases.yaml --inventory inventory.yaml --junit',
  ],
};

/** Adds them to a command and all below. */
export function addExamples(command: Command, path: readonly string[] = []): void {
  const lines = examples[path.join(' ')];
  if (lines) {
    const title = lines.length === 1 ? 'Example' : 'Examples';
    command.addHelpText('after', () => `\n${title}:\n${lines.map((line) => `  ${line}\n`).join('')}`);
  }
  for (const below of command.commands) addExamples(below, [...path, below.name()]);
}
