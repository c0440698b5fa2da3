/** The command that brings a newer version, as this one came. Pure. */
import type { BuildFacts } from '../environment.ts';

/** @param program the file that runs */
export function howToUpdate(
  packaging: BuildFacts['packaging'],
  program: string,
  version: string,
  architecture: string,
): string {
  if (packaging === 'npm') return `npm install --global @sallyport/sally@${version}`;
  if (packaging === 'source') return 'git pull && npm ci';
  if (/\/(Cellar|homebrew|linuxbrew)\//.test(program)) return 'brew upgrade sally';
  if (program.startsWith('/usr/bin/')) {
    const debian = architecture === 'x64' ? 'amd64' : architecture;
    return `sudo apt-get install ./sally_${version}_${debian}.deb`;
  }
  if (/\.exe$/i.test(program)) return `put sally-${version}-win-${architecture}.exe where ${program} is`;
  return `sh install.sh --version ${version}`;
}
