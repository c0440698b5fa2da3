/** The commands of `sally`, and the text of its help. */
import { Command } from 'commander';
import type { SallyEnvironment, TextSink } from '../environment.ts';
import { exitCodeLines } from '../exit-codes.ts';
import { addAccessCommands } from './access.ts';
import { addAdminCommands } from './admin.ts';
import type { Go } from './build.ts';
import { addCertificateCommands } from './certificate.ts';
import { addCredentialCommands } from './credentials.ts';
import { addLoginCommands } from './login.ts';
import { addReachCommands } from './reach.ts';

export function sallyCommands(
  { environment, stdout, stderr }: { environment: SallyEnvironment; stdout: TextSink; stderr: TextSink },
  go: Go,
): Command {
  const program = new Command('sally')
    .description('Log in once; plain ssh, scp, git and your editor then reach *.sallyport')
    .version(environment.version ?? '0', '--version', 'show the version')
    .helpOption('-h, --help', 'show this')
    .showHelpAfterError('(sally --help lists the commands)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text.replace(/^error: /, 'sally: ')),
      getOutHelpWidth: () => environment.columns ?? 80,
      getErrHelpWidth: () => environment.columns ?? 80,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText('after', () => helpAfter);
  addLoginCommands(program, go);
  addReachCommands(program, go);
  addCertificateCommands(program, go);
  addCredentialCommands(program, go);
  addAccessCommands(program, go);
  addAdminCommands(program, go);
  return program;
}

const helpAfter = `
Examples:
  sally login                         at the local demo, or where you were last
  sally login --server https://ssh.example.com
  ssh shop-production--web.sallyport  from then on plain ssh
  sally ssh web                       the same by app, role, address or id
  sally explain shop-production--web  why does it not let me in?
  SALLY_TOKEN=... sally ssh-config install
                                      a machine's job: plain ssh from then on
  sally admin sessions revoke bob@example.com

Environment:
  SALLY_SERVER         the server, if --server is not given
  SALLY_TOKEN          an API token: sally is a machine then, and asks nobody
  SALLY_ID_TOKEN       the same with an OpenID Connect token of a CI system
  SALLY_ID_TOKEN_FILE  the same with the file that holds one
  SALLY_CI_RULE        ORGANIZATION/RULE, where several rules could be meant
  SALLY_DEBUG          1: what is decided and asked, on stderr, without secrets
  NO_COLOR             no colors
In jobs of GitHub Actions with permission id-token: write nothing need be set.

Exit codes:
${exitCodeLines().join('\n')}
`;
