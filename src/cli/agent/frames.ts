/** Messages on a stream: a length of four bytes and that many (draft-ietf-sshm-ssh-agent section 3). */
import type { Socket } from 'node:net';
import { WireWriter } from '../../ssh/wire.ts';
import { longestMessage } from './messages.ts';

/**
 * Answers the messages of a client one after the other; while one is answered no more is read than fits into memory.
 * The client is left at a message that is empty or too long.
 */
export function answerMessages(socket: Socket, answer: (message: Buffer) => Promise<Buffer>): void {
  let received = Buffer.alloc(0);
  let isAnswering = false;
  const answerWaiting = async () => {
    for (let message = takeMessage(); message; message = takeMessage()) {
      const reply = await answer(message);
      if (socket.destroyed) return;
      socket.write(frame(reply));
    }
  };
  const takeMessage = (): Buffer | undefined => {
    if (received.length < 4) return undefined;
    const length = received.readUInt32BE();
    if (length === 0 || length > longestMessage) {
      socket.destroy();
      return undefined;
    }
    if (received.length < 4 + length) return undefined;
    const message = received.subarray(4, 4 + length);
    received = received.subarray(4 + length);
    return message;
  };
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (isAnswering) return;
    isAnswering = true;
    socket.pause();
    answerWaiting().then(
      () => {
        isAnswering = false;
        socket.resume();
      },
      () => socket.destroy(),
    );
  });
}

export function frame(message: Uint8Array): Buffer {
  return new WireWriter().string(message).bytes();
}
