import { type Command, Option } from 'commander';
import { type Go, sub } from './build.ts';

export function addInventoryCommands(admin: Command, go: Go): void {
  sub(admin, 'apply', 'make the inventory as a YAML file says; shows the plan first, and asks')
    .requiredOption('-f, --file <file>', 'the file, or - for standard input')
    .option('--prune', 'remove what the lists of the file do not name')
    .option('--dry-run', 'show the plan and do nothing; ends with 7 if there is something to do')
    .option('--yes', 'without asking')
    .option('--json', 'for programs: the plan')
    .addHelpText('after', () => applyHelp)
    .action((options) =>
      go(async (context) =>
        (await import('../commands/admin-inventory.ts')).inventoryApply(context, options),
      ),
    );
  sub(admin, 'export', 'print the inventory as such a file')
    .option('-o, --output <file>', 'write it there')
    .option('--json', 'JSON instead, which apply reads as well')
    .action((options) =>
      go(async (context) =>
        (await import('../commands/admin-inventory.ts')).inventoryExport(context, options),
      ),
    );
  sub(admin, 'switch', 'close or open SSH to a place and everything below it, at once')
    .argument('<on|off>', 'open or closed')
    .argument('[place]', 'such as shop, shop/production or shop/production/web')
    .option('--organization', 'everything')
    .option('--yes', 'without asking')
    .option('--json', 'for programs')
    .action((state: string, place: string | undefined, options) =>
      go(async (context) =>
        (await import('../commands/admin-switch.ts')).switchSsh(context, state, place, options),
      ),
    );
  addInventory(admin, go);
}

function addInventory(admin: Command, go: Go): void {
  const inventory = sub(admin, 'inventory', 'what there is to reach');
  sub(inventory, 'list', 'all of a kind')
    .argument('<kind>', 'projects, environments, services, apps, gateways, hosts, instances or access-rules')
    .option('--app <app>', 'of instances: those of an app, such as shop/production/web')
    .addOption(
      new Option('--state <state>', 'of instances: those in a state').choices([
        'running',
        'starting',
        'stopped',
        'paused',
        'inactive',
      ]),
    )
    .option('--json', 'for programs')
    .action((kind: string, options) =>
      go(async (context) =>
        (await import('../commands/admin-inventory-list.ts')).inventoryList(context, kind, options),
      ),
    );
  sub(inventory, 'schema', 'print the JSON Schema of the file, for editors').action(() =>
    go(async (context) => (await import('../commands/admin-inventory.ts')).inventorySchema(context)),
  );
}

const applyHelp = `
What the file does not say stays as it is. A list that it has, such as the apps
of an environment, is what --prune compares: what the list does not name goes.

Examples:
  sally admin export -o inventory.yaml
  sally admin apply -f inventory.yaml --dry-run
  sally admin apply -f inventory.yaml --prune
  sally admin inventory schema > inventory.schema.json
`;
