import { documentLines } from '../../../src/cli/inspect/document-lines.ts';
import { inspectBytes } from '../../../src/cli/inspect/inspect-bytes.ts';
import { createTerminal } from '../../../src/cli/terminal.ts';
import { now } from '../../ssh/sample-certificate.ts';
import { expectFact, type FuzzedParser } from '../examine.ts';

const nowhere = { write: () => true };
const page = {
  terminal: createTerminal({ stdout: nowhere, stderr: nowhere, colors: false }),
  now: new Date(Number(now) * 1000),
  columns: 80,
  md5: true,
  showsLines: true,
};

/** Whatever a person gives to `sally inspect`: it may be refused, and what is shown must be harmless for a terminal. */
export const inspections: FuzzedParser = {
  codes: ['file_refused'],
  async read(input) {
    const found = await inspectBytes(input, Number(now));
    for (const line of found.flatMap((document) => documentLines(document, page))) {
      expectFact(/^[ -~]{0,80}$/.test(line), `shows ${JSON.stringify(line)}`);
    }
    JSON.stringify(found);
    const kinds = found.map((document) =>
      document.kind === 'certificate' ? `${document.purpose}, ${document.warnings[0]?.code}` : document.kind,
    );
    return [...new Set(kinds)].sort().join(', ');
  },
};
