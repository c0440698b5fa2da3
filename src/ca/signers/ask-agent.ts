/** One question to an ssh-agent. Each has a connection of its own, so that an agent that was started again is found. */
import { connect } from 'node:net';
import { SallyportError } from '../../errors/sallyport-error.ts';

/** What OpenSSH itself takes from an agent (authfd.c, MAX_AGENT_REPLY_LEN). */
const longestReply = 256 * 1024;

/**
 * @param request a message without its length
 * @returns the reply's message without its length, at least one byte
 * @throws signer_failed: nobody listens, the connection breaks off, a reply that is too long, `signal` aborted
 */
export async function askAgent(socketPath: string, request: Buffer, signal: AbortSignal): Promise<Buffer> {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(request.length);
  const socket = connect({ path: socketPath, signal });
  socket.write(length);
  socket.write(request);
  try {
    return await readReply(socket);
  } catch (error) {
    if (error instanceof SallyportError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw failed(signal.aborted ? 'it did not answer in time' : `it can't be reached (${code})`, error);
  } finally {
    socket.destroy();
  }
}

async function readReply(socket: AsyncIterable<Buffer>): Promise<Buffer> {
  let received: Buffer = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk]);
    if (received.length < 4) continue;
    const length = received.readUInt32BE();
    if (length === 0 || length > longestReply) throw failed(`it announced a reply of ${length} bytes`);
    const reply = received.subarray(4);
    if (reply.length > length) throw failed('it sent more than its reply');
    if (reply.length === length) return reply;
  }
  throw failed('it ended the connection before its reply');
}

function failed(problem: string, cause?: unknown): SallyportError {
  return new SallyportError('signer_failed', `ssh-agent gave no usable answer: ${problem}.`, { cause });
}
