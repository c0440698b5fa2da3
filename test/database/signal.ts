/** Something that one part of a test awaits and another makes happen. */
export interface Signal {
  readonly fired: Promise<void>;
  fire(): void;
}

export function signal(): Signal {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { fired: promise, fire: resolve };
}
