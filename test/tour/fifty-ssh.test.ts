import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStage, type Stage } from '../../src/dev/tour/stage.ts';
import { root } from '../dev/started-program.ts';

const hasSshd = existsSync('/usr/sbin/sshd');
const host = 'shop-production--web.sallyport';
let stage: Stage | undefined;

beforeAll(async () => {
  if (hasSshd) stage = await openStage(root, undefined);
});
afterAll(() => stage?.close());

test.skipIf(!hasSshd)(
  'fifty ssh at once during a forced rotation all get in',
  { timeout: 240_000 },
  async () => {
    const { alice } = stage as Stage;
    await alice.login();
    const before = await alice.certificateFile();
    const rotation = alice.sally(['cert', 'ensure', '--force']);
    const runs = await Promise.all(
      Array.from({ length: 50 }, (_, index) => alice.ssh([host, `echo ${index}`], { mayFail: true })),
    );
    await rotation;
    expect(runs.filter(({ status }) => status !== 0).map(({ stderr }) => stderr)).toEqual([]);
    expect(runs.map(({ stdout }) => Number(stdout))).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect(await alice.certificateFile()).not.toBe(before);
  },
);
