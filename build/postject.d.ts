declare module 'postject' {
  /** Puts bytes into an ELF, Mach-O or PE file. */
  export function inject(
    file: string,
    name: string,
    bytes: Buffer,
    options: { sentinelFuse: string; machoSegmentName?: string },
  ): Promise<void>;
}
