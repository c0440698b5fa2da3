import { type Command, Option } from 'commander';
import { type Shell, shells } from '../tunnels/shell-lines.ts';
import { type Go, sub, wholeNumber } from './build.ts';
import { selecting, splitAtDashes } from './reach.ts';

export function addTunnelCommands(program: Command, go: Go): void {
  const tunnel = sub(program, 'tunnel', 'ways to the services of an environment, such as databases');
  addOpening(tunnel, go);
  addLooking(tunnel, go);
  addService(program, go);
  addOpen(program, go);
  program
    .command('tunnel-supervise', { hidden: true })
    .description('for sally: keep one tunnel in the background')
    .copyInheritedSettings(program)
    .argument('<id>')
    .action((id: string) =>
      go(async (context) => (await import('../commands/tunnel-supervise.ts')).tunnelSupervise(context, id)),
    );
}

const gatewayPorts = 'let every machine that reaches this one use it, over IPv4 and IPv6';

function addOpening(tunnel: Command, go: Go): void {
  selecting(sub(tunnel, 'open', 'to every service of an environment, in the background'))
    .argument('[name]', 'the environment, its app or a target (default: the app of this folder)')
    .option('-y, --yes', 'do not ask, though it is production')
    .option('-g, --gateway-ports', gatewayPorts)
    .option('--json', 'for programs')
    .addHelpText('after', () => openHelp)
    .action((name: string | undefined, options) =>
      go(async (context) =>
        (await import('../commands/tunnel-open.ts')).tunnelOpen(context, { ...options, name }),
      ),
    );
  selecting(sub(tunnel, 'single', 'to one service, until Ctrl-C'))
    .argument('<service>', 'by name; or by kind, if only one is of it')
    .argument('[name]', 'as for open')
    .option('-p, --port <port>', 'the port here (default: the one it had last)', wholeNumber(1, 65_535))
    .option('-g, --gateway-ports', gatewayPorts)
    .addHelpText('after', () => singleHelp)
    .action((service: string, name: string | undefined, options) =>
      go(async (context) =>
        (await import('../commands/tunnel-single.ts')).tunnelSingle(context, { ...options, service, name }),
      ),
    );
}

const tunnelName = 'an id, an environment, an app or a target';

function addLooking(tunnel: Command, go: Go): void {
  sub(tunnel, 'list', 'those that are open, and how they are')
    .option('--json', 'for programs')
    .addHelpText('after', () => '\nExample:\n  sally tunnel list --json\n')
    .action((options) =>
      go(async (context) => (await import('../commands/tunnel-list.ts')).tunnelList(context, options)),
    );
  sub(tunnel, 'info', 'one tunnel, or all: services, addresses, log')
    .argument('[name]', tunnelName)
    .option('-c, --encode', 'base64 JSON of the services, as programs read it')
    .option('--json', 'for programs; with --encode without the base64')
    .addHelpText('after', () => infoHelp)
    .action((name: string | undefined, options) =>
      go(async (context) =>
        (await import('../commands/tunnel-info.ts')).tunnelInfo(context, { ...options, name }),
      ),
    );
  sub(tunnel, 'env', 'variables with the services, for eval')
    .argument('[name]', tunnelName)
    .addOption(new Option('--shell <shell>', 'whose words').choices(shells).default('sh'))
    .addHelpText('after', () => envHelp)
    .action((name: string | undefined, { shell }: { shell: Shell }) =>
      go(async (context) => (await import('../commands/tunnel-info.ts')).tunnelEnv(context, { name, shell })),
    );
  sub(tunnel, 'close', 'end one, or all')
    .argument('[name]', tunnelName)
    .option('-a, --all', 'all of them')
    .addHelpText('after', () => '\nExamples:\n  sally tunnel close\n  sally tunnel close --all\n')
    .action((name: string | undefined, options) =>
      go(async (context) =>
        (await import('../commands/tunnel-close.ts')).tunnelClose(context, { ...options, name }),
      ),
    );
}

function addService(program: Command, go: Go): void {
  selecting(sub(program, 'service', 'the client of a service, such as psql, through a tunnel'))
    .argument('<service>', 'by name; or by kind, if only one is of it')
    .argument('[words...]', 'the environment, app or target; behind --: for the client')
    .option('--no-client', 'only open the way, and say where it is')
    .addHelpText('after', () => serviceHelp)
    .action((service: string, words: string[], { client, ...options }) => {
      const { name, command: args } = splitAtDashes(program, words);
      const parsed = { ...options, service, name, args, noClient: !client };
      return go(async (context) => (await import('../commands/service.ts')).service(context, parsed));
    });
}

function addOpen(program: Command, go: Go): void {
  selecting(sub(program, 'open', 'a page of the console in the browser'))
    .argument('[what]', 'a target or app, "console" or "account" (default: the app of this folder)')
    .option('--print', 'only print the address')
    .addHelpText('after', () => '\nExamples:\n  sally open\n  sally open console\n  sally open web --print\n')
    .action((name: string | undefined, options) =>
      go(async (context) => (await import('../commands/open.ts')).open(context, { ...options, name })),
    );
}

const openHelp = `
Examples:
  sally tunnel open
  sally tunnel open shop-staging --json
  sally tunnel open shop-production --yes

Each service has a port of this machine, from 30000 on, and the same one each
time. It is kept up in the background, over redeploys, new certificates and
sleep, until "sally tunnel close" or the end of your login.
`;

const singleHelp = `
Examples:
  sally tunnel single db
  sally tunnel single db shop-staging --port 5433
`;

const infoHelp = `
Examples:
  sally tunnel info
  export PLATFORM_RELATIONSHIPS="$(sally tunnel info --encode)"
`;

const envHelp = `
Examples:
  eval "$(sally tunnel env)"
  sally tunnel env --shell fish | source
  sally tunnel env --shell powershell | Out-String | Invoke-Expression

Sets APP_RELATIONSHIPS, base64 JSON, and for each service APP_<NAME>_URL.
`;

const serviceHelp = `
Examples:
  sally service db
  sally service db shop-staging -- -c 'select 1'
  sally service cache --no-client

A tunnel that is open is used; otherwise one is opened and ends with the client.
Ends with the exit code of the client.
`;
