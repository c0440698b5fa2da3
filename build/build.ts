/** `npm run build`: the packages @sallyport/server and @sallyport/sally, below dist/. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './bundle.ts';
import { readReleaseKeys } from './release-keys.ts';
import { writeSallyPackage } from './sally-package.ts';
import { writeServerPackage } from './server-package.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(root, 'dist') },
    'release-key': { type: 'string', multiple: true },
  },
});
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const releaseKeys = await readReleaseKeys(values['release-key']);
await writeSallyPackage(join(values.out, 'packages', 'sally'), { version, releaseKeys });
await writeServerPackage(join(values.out, 'packages', 'server'), version);
process.stdout.write(
  `Wrote both packages to ${join(values.out, 'packages')}. Next: npm pack or npm publish there.\n`,
);
