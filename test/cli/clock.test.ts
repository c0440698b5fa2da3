/** What a clock that jumps does to a person's certificate: the fast path and `sally` by another clock than the server's. */
import { chmodSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ownAge } from '../../src/cli/fresh-script.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { Person, type SallyResult, sallyEntry } from './person.ts';
import { ServerDouble } from './server-double.ts';

/** And ssh is a person. */
const silent = { code: 1, stdout: '', stderr: '' };
const hour = 3600;

let server: ServerDouble;
let alice: Person;
let tools: string;

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
  tools = join(alice.home, 'tools');
  mkdirSync(tools);
  set(0);
  tool('date', `#!/bin/sh\nread -r offset <'${tools}/offset'\necho $(($(/bin/date +%s) + offset))\n`);
  tool('node', `#!/bin/sh\nexec '${process.execPath}' --import '${tools}/clock.mjs' "$@"\n`);
  tool(
    'clock.mjs',
    `import { readFileSync } from 'node:fs';
const Right = Date;
const offset = Number(readFileSync('${tools}/offset', 'utf8')) * 1000;
globalThis.Date = class extends Right {
  constructor(...given) {
    if (given.length > 0) super(...given);
    else super(Right.now() + offset);
  }
  static now() {
    return Right.now() + offset;
  }
};
`,
  );
  await alice.login(server.url);
  const program = { node: join(tools, 'node'), entry: sallyEntry };
  await alice.sally(['ssh-config', 'install'], { environment: { program } });
});
afterEach(async () => {
  await server.stop();
  alice.remove();
  expect(server.failures).toEqual([]);
});

function tool(name: string, text: string): void {
  writeFileSync(join(tools, name), text);
  chmodSync(join(tools, name), 0o755);
}

/** By how many seconds this machine's clock is wrong from now on. */
function set(offset: number): void {
  writeFileSync(join(tools, 'offset'), `${offset}\n`);
}

/** The fast path by the clock that `set` has set: its process and `date` are of that one. */
async function fresh(more: Record<string, string> = {}): Promise<SallyResult> {
  const ownProcess = join(tools, 'process');
  mkdirSync(ownProcess, { recursive: true });
  const now = Date.now() / 1000 + Number(readFileSync(join(tools, 'offset'), 'utf8'));
  utimesSync(ownProcess, now, now);
  const script = readFileSync(alice.paths.fresh, 'utf8');
  writeFileSync(alice.paths.fresh, script.replaceAll(ownAge, ownProcess));
  return await alice.fresh({ PATH: `${tools}:${process.env['PATH']}`, ...more });
}

/** Whether sshd, whose clock is the server's, would take what ssh would offer now. */
function isOfferedGood(): boolean {
  const [, path = ''] = /^CertificateFile "(.*)"$/m.exec(alice.identity()) ?? [];
  const { validAfter, validBefore } = parseCertificateLine(readFileSync(path, 'utf8'));
  const now = BigInt(Math.floor(Date.now() / 1000) + (server.faults.clockOffsetSeconds ?? 0));
  return validAfter <= now && now < validBefore;
}

/** Of several of ssh, one after the other. @returns how many certificates that took */
async function certificatesOf(runs: number): Promise<number> {
  const before = server.issued;
  for (let run = 0; run < runs; run += 1) expect(await fresh()).toEqual(silent);
  expect(isOfferedGood()).toBe(true);
  return server.issued - before;
}

describe('a clock', () => {
  test.each([
    ['an hour and a minute ahead', hour + 60],
    ['an hour back', -hour],
    ['at the beginning of its time', -Math.floor(Date.now() / 1000) + 1000],
  ])(
    '[abuse 130] that jumps to %s and back costs one renewal each, and no certificate',
    async (_what, offset) => {
      set(offset);
      expect(await certificatesOf(3)).toBe(1);
      set(0);
      expect(await certificatesOf(3)).toBe(1);
    },
  );

  test('[abuse 130] that jumps while the server is away costs nothing that works', async () => {
    const before = alice.identity();
    await server.stop();
    for (const offset of [hour + 60, -hour]) {
      set(offset);
      expect(await fresh()).toEqual(silent);
      expect(alice.identity()).toBe(before);
    }
    await server.start();
    set(0);
    expect(await certificatesOf(3)).toBeLessThanOrEqual(1);
  });

  test('[abuse 130] that goes on after a sleep of hours renews once, before ssh goes on', async () => {
    server.faults.clockOffsetSeconds = 3 * hour;
    set(3 * hour);
    expect(isOfferedGood()).toBe(false);
    expect(await certificatesOf(3)).toBe(1);
  });

  test('[abuse 130] that is set by seconds, a leap second or another time zone renews nothing', async () => {
    const before = server.issued;
    for (const offset of [-1, 1, -60, 60]) {
      set(offset);
      expect(await fresh()).toEqual(silent);
    }
    set(0);
    for (const TZ of ['Pacific/Kiritimati', 'Pacific/Pago_Pago', 'right/UTC', 'nonsense']) {
      expect(await fresh({ TZ })).toEqual(silent);
    }
    expect(server.issued).toBe(before);
  });
});
