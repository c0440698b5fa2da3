/** A connection to an ssh-agent: one question after the other. */
import { connect, type Socket } from 'node:net';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { frame } from './frames.ts';
import { longestMessage } from './messages.ts';

interface Waiting {
  readonly resolve: (reply: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export class AgentClient {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #received = Buffer.alloc(0);
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#fail(away(error)));
    socket.on('close', () => this.#fail(away()));
  }

  /** @throws unavailable */
  static async open(path: string): Promise<AgentClient> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (error) => reject(away(error)));
    });
    socket.removeAllListeners('error');
    return new AgentClient(socket);
  }

  /** @throws unavailable */
  async ask(message: Uint8Array): Promise<Buffer> {
    if (this.#failure) throw this.#failure;
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.write(frame(message));
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 4) {
      const length = this.#received.readUInt32BE();
      if (length === 0 || length > longestMessage) {
        this.#fail(away());
        return;
      }
      if (this.#received.length < 4 + length) return;
      const reply = this.#received.subarray(4, 4 + length);
      this.#received = this.#received.subarray(4 + length);
      this.#waiting.shift()?.resolve(reply);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
    this.#socket.destroy();
  }
}

function away(cause?: Error): SallyportError {
  return new SallyportError('unavailable', 'The ssh-agent does not answer.', { cause });
}
