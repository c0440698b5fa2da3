/** Parts of a page in docs/, for tests that hold them against the code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface DocsPage {
  readonly text: string;
  /** The fenced blocks of this language, below the heading if one is given. */
  blocks(language: string, heading?: string): string[];
  /** The rows, as cells, of the table whose first column has this title. */
  table(title: string): string[][];
}

export function docsPage(name: string): DocsPage {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', name), 'utf8');
  const below = (heading: string) => {
    const start = text.indexOf(`\n${heading}\n`);
    if (start < 0) throw new Error(`docs/${name} has no heading "${heading}"`);
    const rest = text.slice(start + heading.length + 1);
    const end = rest.search(/\n#+ /);
    return end < 0 ? rest : rest.slice(0, end);
  };
  return {
    text,
    blocks(language, heading) {
      const part = heading === undefined ? text : below(heading);
      const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm');
      return [...part.matchAll(fence)].map(([, block = '']) => block);
    },
    table(title) {
      const lines = text.split('\n');
      const head = lines.findIndex((line) => line.startsWith(`| ${title} |`));
      if (head < 0) throw new Error(`docs/${name} has no table of "${title}"`);
      const rest = lines.slice(head + 2);
      const length = rest.findIndex((line) => !line.startsWith('|'));
      return rest.slice(0, length < 0 ? undefined : length).map((line) =>
        line
          .slice(1, -1)
          .split('|')
          .map((cell) => cell.trim()),
      );
    },
  };
}

/** What stands between backticks. */
export function codeIn(cell = ''): string[] {
  return [...cell.matchAll(/`([^`]*)`/g)].map(([, code = '']) => code);
}
