import { expect, test, vi } from 'vitest';
import { createGather } from '../../src/database/gather.ts';

/** A reading that waits until it is let go; says what it was asked for. */
function slowReading() {
  const asked: (readonly string[])[] = [];
  const held: ((fail?: Error) => void)[] = [];
  const read = (keys: readonly string[]) => {
    asked.push(keys);
    const number = asked.length;
    return new Promise<ReadonlyMap<string, string>>((resolve, reject) => {
      held.push((fail) =>
        fail ? reject(fail) : resolve(new Map(keys.map((key) => [key, `${key}${number}`]))),
      );
    });
  };
  const letGo = async (fail?: Error) => {
    held.shift()?.(fail);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { asked, read, letGo };
}

test('the first goes at once, those who come meanwhile together, and nobody gets what was read before they asked', async () => {
  const { asked, read, letGo } = slowReading();
  const ask = createGather({ read, largest: 3, mostWaiting: 10 });
  const first = ask('a');
  const others = ['a', 'b', 'c', 'd'].map(ask);
  expect(asked).toEqual([['a']]);
  await letGo();
  expect(asked).toEqual([['a'], ['a', 'b', 'c']]);
  await letGo();
  await letGo();
  expect(asked).toEqual([['a'], ['a', 'b', 'c'], ['d']]);
  expect(await Promise.all([first, ...others])).toEqual(['a1', 'a2', 'b2', 'c2', 'd3']);
});

test('after a reading of several it may rest, and who asks meanwhile shares the next', async () => {
  const { asked, read, letGo } = slowReading();
  const ask = createGather({ read, largest: 3, mostWaiting: 10, restMilliseconds: 20 });
  const first = ['x', 'a', 'b'].map(ask);
  await letGo();
  await letGo();
  await Promise.all(first);
  const second = ['c', 'd'].map(ask);
  await vi.waitUntil(() => asked.length > 2);
  await letGo();
  expect(await Promise.all(second)).toEqual(['c3', 'd3']);
  expect(asked).toEqual([['x'], ['a', 'b'], ['c', 'd']]);
});

test('one who is asked for twice is read once', async () => {
  const { asked, read, letGo } = slowReading();
  const ask = createGather({ read, largest: 3, mostWaiting: 10 });
  const all = [ask('x'), ask('a'), ask('a')];
  await letGo();
  await letGo();
  expect(asked).toEqual([['x'], ['a']]);
  expect(await Promise.all(all)).toEqual(['x1', 'a2', 'a2']);
});

test('a reading that fails is everybody’s in it, and the next goes on', async () => {
  const { read, letGo } = slowReading();
  const ask = createGather({ read, largest: 3, mostWaiting: 10 });
  const [first, second] = [ask('a'), ask('b')];
  const refused = expect(first).rejects.toThrow('away');
  await letGo(new Error('away'));
  await refused;
  await letGo();
  expect(await second).toBe('b2');
});

test('who finds too many waiting is told when to come back, and nobody else is', async () => {
  const { read, letGo } = slowReading();
  const ask = createGather({ read, largest: 2, mostWaiting: 2 });
  const inside = ['a', 'b', 'c'].map(ask);
  await expect(ask('d')).rejects.toMatchObject({
    code: 'unavailable',
    members: { retry_after: expect.any(Number) },
  });
  await letGo();
  await letGo();
  expect(await Promise.all(inside)).toEqual(['a1', 'b2', 'c2']);
  const again = ask('d');
  await letGo();
  expect(await again).toBe('d3');
});
