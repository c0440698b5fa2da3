/** The end of what a program has said, which may be much. */

const mostBytes = 32_768;

export class KeptText {
  #chunks: Buffer[] = [];
  #bytes = 0;

  add = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes - (this.#chunks[0]?.length ?? 0) >= mostBytes) {
      this.#bytes -= this.#chunks.shift()?.length ?? 0;
    }
  };

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8').slice(-mostBytes);
  }
}
