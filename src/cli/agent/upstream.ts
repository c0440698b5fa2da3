/** The person's other agent, for one client of ours: a connection of its own, told what the client has said of itself. */
import { AgentClient } from './agent-client.ts';

export class Upstream {
  readonly #path: string;
  #client: Promise<AgentClient> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws unavailable */
  async ask(message: Uint8Array): Promise<Buffer> {
    this.#client ??= AgentClient.open(this.#path);
    return await (await this.#client).ask(message);
  }

  /** An agent that knows nothing of bindings has no keys that depend on them. */
  async bind(message: Uint8Array): Promise<void> {
    await this.ask(message).catch(() => {});
  }

  close(): void {
    this.#client?.then(
      (client) => client.close(),
      () => {},
    );
  }
}
