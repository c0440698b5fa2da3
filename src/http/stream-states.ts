/** A companion's feed over server-sent events. */
import type { FastifyReply } from 'fastify';
import type { CompanionState } from '../api/companions.ts';
import { stateText } from '../feed/state-text.ts';
import type { AppParts } from './app-parts.ts';
import type { CompanionCaller } from './callers.ts';
import { EventStream } from './event-stream.ts';

/** Proxies close what is silent for a minute; a companion takes a minute of silence for a dead line. */
const heartbeatMilliseconds = 15_000;
const heartbeatsPerTouch = 4;
const leastReturnMilliseconds = 250;

export async function streamStates(
  { feed }: Pick<AppParts, 'feed'>,
  caller: CompanionCaller,
  reply: FastifyReply,
): Promise<void> {
  // The first state is there before anything is sent, so a failure is still an ordinary reply.
  let first: CompanionState | undefined;
  let stream: EventStream | undefined;
  let isOver = false;
  const out = reply.raw;
  const subscription = await feed.subscribe(caller, {
    send: (state) => {
      if (stream) stream.send(event(state));
      else first = state;
    },
    end: () => {
      isOver = true;
      if (stream) out.end();
    },
  });

  reply.hijack();
  if (out.destroyed) {
    subscription.close();
    return;
  }
  out.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' });
  stream = new EventStream(out);
  stream.returnWithin(returnWithin(feed.subscriptions));
  if (isOver) out.end();
  else if (first) stream.send(event(first));

  let beats = 0;
  const heart = setInterval(() => {
    stream.heartbeat();
    stream.returnWithin(returnWithin(feed.subscriptions));
    beats += 1;
    if (beats % heartbeatsPerTouch === 0) feed.heardOf(caller.companionId);
  }, heartbeatMilliseconds);
  out.once('close', () => {
    clearInterval(heart);
    subscription.close();
  });
}

/** When this server is gone, its machines come back at 250 in a second, wherever they go. */
function returnWithin(machines: number): number {
  return Math.max(leastReturnMilliseconds, machines * 4);
}

function event(state: CompanionState) {
  // As text when it is written: what waits behind a slow reader is replaced by what is newer.
  return { event: 'state', id: state.version, data: () => stateText(state) };
}
