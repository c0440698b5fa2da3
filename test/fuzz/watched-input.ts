/** The input that is being tried, in memory that two threads share: how many there were, its length, its bytes. */
const header = 8;
export const longestWatched = 1 << 16;

export function watchedMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(header + longestWatched);
}

export function publish(memory: SharedArrayBuffer, input: Uint8Array): void {
  const part = input.subarray(0, longestWatched);
  new Uint8Array(memory, header).set(part);
  const [count, length] = [new Int32Array(memory, 0, 1), new Int32Array(memory, 4, 1)];
  length[0] = part.length;
  Atomics.add(count, 0, 1);
}

export function executionsOf(memory: SharedArrayBuffer): number {
  return Atomics.load(new Int32Array(memory, 0, 1), 0);
}

export function inputIn(memory: SharedArrayBuffer): Buffer {
  const [length = 0] = new Int32Array(memory, 4, 1);
  return Buffer.from(new Uint8Array(memory, header, length));
}
