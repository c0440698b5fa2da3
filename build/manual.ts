/** The manual of `sally` out of the definitions of its commands: as a page of the documentation, and as a man page. */
import type { Command } from 'commander';
import { sallyCommands } from '../src/cli/command-line/commands.ts';
import { type DescribedCommand, describeCommand, visibleCommands } from '../src/cli/command-line/describe.ts';
import { exitCodes } from '../src/cli/exit-codes.ts';

interface Described extends DescribedCommand {
  /** What `--help` says behind the tables. */
  readonly more: string;
  /** Under which it stands in the help of the program. */
  readonly group: string;
}

/** Every command as it is declared. @param write is given what help prints */
export async function declaredCommands(write: (text: string) => void = () => {}): Promise<Command> {
  const environment = { columns: 80, home: '/', passwdHome: '/', program: { node: '', entry: '' } };
  return await sallyCommands({ environment, stdout: { write }, stderr: { write } }, async () => {});
}

async function commands(): Promise<Described[]> {
  let said = '';
  const program = await declaredCommands((text) => {
    said += text;
  });
  return visibleCommands(describeCommand(program)).map((described) => {
    const command = find(program, described.path.slice(1));
    said = '';
    command.outputHelp();
    return {
      ...described,
      more: said.slice(command.helpInformation().length).trim(),
      group: command.helpGroup(),
    };
  });
}

export async function manualMarkdown(): Promise<string> {
  const [program, ...others] = await commands();
  if (!program) throw new Error('there are no commands');
  return `# sally

Made of the program's own help by \`npm run docs\`; changes here are lost. \`sally COMMAND --help\` says the same, and
\`man sally\` where it was installed with a manual.

${program.description}.

| | |
| --- | --- |
${optionRows(program.options).join('\n')}

${block(program.more.replace(/\n\nExit codes:[\s\S]*/, ''))}

## Exit codes

Scripts may compare them: a number never changes its meaning. \`sally ssh\`, \`scp\`, \`sftp\`, \`rsync\` and \`service\` end
as the program does that they start.

| code | meaning |
| --- | --- |
${Object.values(exitCodes)
  .map(({ number, meaning }) => `| ${number} | ${meaning} |`)
  .join('\n')}

## Commands

${overview(others)}

${others.map(section).join('\n\n')}
`;
}

function section({ path, usage, description, arguments: operands, options, more }: Described): string {
  const rows = [
    ...operands.map(({ term, description: what, choices }) => row(term, what, choices)),
    ...optionRows(options),
  ];
  return [
    `### \`${path.join(' ')}\``,
    `${sentence(description)}`,
    block(`${path.join(' ')} ${usage}`.trim()),
    ...(rows.length > 0 ? [['| | |', '| --- | --- |', ...rows].join('\n')] : []),
    ...(more === '' ? [] : [block(more)]),
  ].join('\n\n');
}

function optionRows(options: DescribedCommand['options']): string[] {
  return options
    .filter(({ names }) => !names.includes('--help'))
    .map(({ flags, description: what, choices }) => row(flags, what, choices));
}

/** What there is, as `sally --help` groups it, each a link to its own part. */
function overview(described: readonly Described[]): string {
  const top = described.filter(({ path }) => path.length === 2);
  const linked = ({ path }: Described) => `[${path[1]}](#${path.join('-')})`;
  const lines = Map.groupBy(top, ({ group }) => group);
  return [...lines].map(([group, some]) => `- ${group} ${some.map(linked).join(', ')}`).join('\n');
}

function row(term: string, description: string, choices: readonly string[]): string {
  const one = choices.length > 0 ? `one of ${choices.join(', ')}` : '';
  const what = [description, one].filter(Boolean).join('; ');
  return `| \`${term.replaceAll('|', '\\|')}\` | ${what.replaceAll('|', '\\|').replaceAll('<', '&lt;')} |`;
}

function block(text: string): string {
  return `\`\`\`\n${text}\n\`\`\``;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** For man(7), without a date: it would change with every build. */
export async function manualPage(): Promise<string> {
  const [program, ...others] = await commands();
  if (!program) throw new Error('there are no commands');
  return [
    '.\\" Made by npm run docs.',
    '.TH SALLY 1 "" "Sallyport" "User Commands"',
    '.SH NAME',
    'sally \\- log in once; plain ssh then works',
    '.SH SYNOPSIS',
    '.B sally',
    '.I command',
    '[options]',
    '.SH DESCRIPTION',
    roff(`${program.description}.`),
    verbatim(program.more.replace(/\n\nExit codes:[\s\S]*/, '')),
    '.SH OPTIONS',
    ...manualOptions(program.options),
    '.SH COMMANDS',
    ...others.flatMap(manualSection),
    '.SH EXIT STATUS',
    ...Object.values(exitCodes).flatMap(({ number, meaning }) => ['.TP', `.B ${number}`, roff(meaning)]),
    '.SH FILES',
    '.TP',
    '.I ~/.ssh/sallyport',
    roff('everything that sally keeps, and what ssh is told of it'),
    '.SH SEE ALSO',
    '.BR ssh (1),',
    '.BR ssh_config (5),',
    '.BR ssh\\-keygen (1)',
    '',
  ].join('\n');
}

function manualSection({
  path,
  usage,
  description,
  arguments: operands,
  options,
  more,
}: Described): string[] {
  return [
    `.SS ${roff(`${path.join(' ')} ${usage}`.trim())}`,
    roff(sentence(description)),
    ...operands.flatMap(({ term, description: what }) => ['.TP', `.B ${roff(term)}`, roff(what || ' ')]),
    ...manualOptions(options),
    ...(more === '' ? [] : [verbatim(more)]),
  ];
}

function manualOptions(options: DescribedCommand['options']): string[] {
  return options
    .filter(({ names }) => !names.includes('--help'))
    .flatMap(({ flags, description: what }) => ['.TP', `.B ${roff(flags)}`, roff(what)]);
}

function verbatim(text: string): string {
  return `.PP\n.nf\n${text.split('\n').map(roff).join('\n')}\n.fi`;
}

/** A line that begins with a dot or a quote would be a request of roff. */
function roff(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll("'", '\\(aq');
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

function find(program: Command, path: readonly string[]): Command {
  return path.reduce((above, name) => {
    const below = above.commands.find((command) => command.name() === name);
    if (!below) throw new Error(`there is no ${name}`);
    return below;
  }, program);
}
