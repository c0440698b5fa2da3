/** What goes beside the executables: the install script with the keys it believes, the manual, completions. */
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { completionScript } from '../src/cli/commands/completion.ts';
import { root } from './bundle.ts';
import { declaredCommands } from './manual.ts';
import { filesOf } from './release.ts';

const shells = ['bash', 'zsh', 'fish', 'powershell'] as const;

export async function writeInstallers(
  folder: string,
  { version, releaseKeys }: { version: string; releaseKeys: readonly string[] },
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const script = await readFile(join(root, 'deploy', 'install.sh'), 'utf8');
  await writeFile(join(folder, 'install.sh'), script.replace('@RELEASE_KEYS@', releaseKeys.join('\n')));
  await chmod(join(folder, 'install.sh'), 0o755);
  await copyFile(join(root, 'deploy', 'man', 'sally.1'), join(folder, 'sally.1'));
  await writeFormula(folder, version);
  const program = await declaredCommands();
  for (const shell of shells) {
    await writeFile(join(folder, `completion.${shell}`), completionScript(shell, program));
  }
}

/** Where the files will be is for whoever releases to say: they put it in place of BASE. */
async function writeFormula(folder: string, version: string): Promise<void> {
  const template = await readFile(join(root, 'deploy', 'homebrew', 'sally.rb'), 'utf8');
  const files = await filesOf(folder);
  const sumOf = (platform: string) =>
    files.find(({ name }) => name === `sally-${version}-${platform}`)?.sha256;
  const filled = template
    .replace(/^(?:#.*\n)+/, '')
    .replaceAll('@VERSION@', version)
    .replace(/"@((?:darwin|linux)-[a-z0-9]+)@"/g, (empty, platform) => {
      const sum = sumOf(platform);
      return sum === undefined ? empty : `"${sum}"`;
    });
  await writeFile(join(folder, 'sally.rb'), filled);
}
