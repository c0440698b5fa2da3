/** `npm run docs`: writes what is made of the definitions of the commands. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './bundle.ts';
import { manualMarkdown, manualPage } from './manual.ts';

await mkdir(join(root, 'deploy', 'man'), { recursive: true });
await writeFile(join(root, 'docs', 'sally.md'), await manualMarkdown());
await writeFile(join(root, 'deploy', 'man', 'sally.1'), await manualPage());
