/**
 * A security key that OpenSSH's own programs find: sk-provider.c, built here, asks the software authenticator in this
 * process. As long as it is plugged in; a PIN is whatever the test says that it is.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isProgram } from '../../../src/gateway/programs.ts';
import { WireReader, WireWriter } from '../../../src/ssh/wire.ts';
import type { SoftwareAuthenticator } from '../../ssh/software-authenticator.ts';

/** The helper comes with openssh-client, the compiler with gcc and libc6-dev. */
export const canPlugIn = ['/usr/lib/openssh/ssh-sk-helper', '/usr/bin/gcc'].every(isProgram);

const errors = { general: 1, unsupported: 2, pinRequired: 3 };

export class PluggedIn {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sk-'));
  readonly #server = createServer((socket) => this.#serve(socket));
  authenticator: SoftwareAuthenticator;
  /** Undefined: it asks for none. */
  pin: string | undefined;
  /** Whether it knows Ed25519. */
  knowsEd25519 = true;

  constructor(authenticator: SoftwareAuthenticator) {
    this.authenticator = authenticator;
  }

  async start(): Promise<void> {
    const source = join(import.meta.dirname, 'sk-provider.c');
    execFileSync('/usr/bin/gcc', ['-shared', '-fPIC', '-Wall', '-Werror', '-o', this.#provider, source]);
    await new Promise<void>((resolve) => this.#server.listen(this.#socket, resolve));
  }

  /** For programs that are to find it. */
  get environment(): Record<string, string> {
    return { SSH_SK_PROVIDER: this.#provider, SK_TEST_SOCKET: this.#socket };
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #provider(): string {
    return join(this.#folder, 'sk-provider.so');
  }

  get #socket(): string {
    return join(this.#folder, 'socket');
  }

  #serve(socket: Socket): void {
    let seen = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      seen = Buffer.concat([seen, chunk]);
      const question = whole(seen);
      if (question) socket.end(this.#answer(question));
    });
  }

  #answer({ kind, isEd25519, flags, application, pin, rest }: Question): Buffer {
    const asksVerification = (flags & 0x04) !== 0;
    if (asksVerification && this.pin !== undefined && pin !== this.pin) return status(errors.pinRequired);
    const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = rest;
    if (kind === 'E') {
      if (isEd25519 && !this.knowsEd25519) return status(errors.unsupported);
      const made = this.authenticator.make({ ed25519: isEd25519, challenge: first, application, flags });
      if (!made) return status(errors.unsupported);
      const { publicKey, handle, signature, certificate, authenticatorData } = made;
      const writer = new WireWriter().u32(0);
      for (const part of [publicKey, handle, signature, certificate, authenticatorData]) writer.string(part);
      return writer.bytes();
    }
    const signed = this.authenticator.sign({ handle: first, data: second, application, flags });
    if (!signed) return status(errors.general);
    const { signature } = signed;
    const [r, s] = isEd25519
      ? [signature, Buffer.alloc(0)]
      : [signature.subarray(0, 32), signature.subarray(32)];
    return new WireWriter().u32(0).u8(signed.flags).u32(signed.counter).string(r).string(s).bytes();
  }
}

interface Question {
  readonly kind: string;
  readonly isEd25519: boolean;
  readonly flags: number;
  readonly application: string;
  readonly pin: string;
  readonly rest: readonly Buffer[];
}

/** Undefined as long as it is not here to its end. */
function whole(bytes: Buffer): Question | undefined {
  try {
    const reader = new WireReader(bytes, 'request_malformed', 'question');
    const kind = reader.raw(1).toString();
    const isEd25519 = reader.u32() === 1;
    const flags = reader.u8();
    const [application, pin] = [reader.text(), reader.text()];
    const rest = kind === 'E' ? [reader.string()] : [reader.string(), reader.string()];
    return { kind, isEd25519, flags, application, pin, rest };
  } catch {
    return undefined;
  }
}

function status(error: number): Buffer {
  return new WireWriter().u32(error).bytes();
}
