/** What `npm start` shows when everything runs. */
import { styleText } from 'node:util';
import { demoTarget } from './demo-inventory.ts';
import type { RunningDev } from './start-dev.ts';

export interface DevScreenOptions {
  readonly logFile: string;
  /** It runs on the ports that sally knows without being told. */
  readonly isDefault: boolean;
  readonly colors: boolean;
}

const roles: Readonly<Record<string, string>> = {
  alice: 'admin, with a one-time code',
  bob: 'contributor, with a one-time code',
  carol: 'contributor, no second factor yet',
};

export function devScreen(dev: RunningDev, { logFile, isDefault, colors }: DevScreenOptions): string {
  const paint = (format: Parameters<typeof styleText>[0], text: string) =>
    colors ? styleText(format, text, { validateStream: false }) : text;
  const bold = (text: string) => paint('bold', text);
  const dim = (text: string) => paint('dim', text);
  const server = isDefault ? '' : ` --server ${dev.publicUrl.origin}`;
  const lines = [
    '',
    `${bold('Sallyport runs')} on this machine, for trying out.`,
    '',
    `  Console            ${dev.publicUrl.origin}`,
    `  Identity provider  ${dev.issuer}`,
    ...sshLines(dev),
    `  Log                ${logFile}`,
    '',
    bold(dev.people.isNew ? 'People (the passwords are shown this once)' : 'People'),
    ...dev.people.people.map(({ username, password }) => {
      const secret = dev.people.isNew ? `  ${password}` : '';
      return `  ${username.padEnd(7)}${secret}  ${dim(roles[username] ?? '')}`;
    }),
    ...(dev.people.isNew
      ? []
      : [
          dim('  Passwords were shown at the first start; they are kept in'),
          dim(`  ${peopleFile(logFile)}`),
        ]),
    dim('  The login page shows the current one-time codes.'),
    '',
    bold('Try next, in another terminal'),
    `  npx sally login${server}`,
    ...(dev.machines ? [`  ssh ${demoTarget}.sallyport`] : []),
    `  npx sally login${server} --device   ${dim('# no browser here')}`,
    '  npx sally admin sessions list',
    ...(dev.machines ? [] : withoutSshLines(dev)),
    '',
    dim('Ctrl-C ends it.'),
    '',
  ];
  return `${lines.join('\n')}\n`;
}

function sshLines({ machines, ports }: RunningDev): string[] {
  if (!machines) return [];
  return [
    `  Gateway            127.0.0.1 port ${ports.gateway} (sshd)`,
    `  Target             127.0.0.1 port ${ports.target} (sshd), ${demoTarget}`,
  ];
}

function withoutSshLines({ withoutSsh }: RunningDev): string[] {
  return [
    '',
    `There is no gateway and no target: ${withoutSsh}`,
    'Logging in, certificates (npx sally cert show), sessions and the console work all the same.',
  ];
}

function peopleFile(logFile: string): string {
  return logFile.replace(/sallyport\.log$/, 'people.json');
}
