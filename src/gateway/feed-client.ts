/**
 * Hears from the CA: a stream of server-sent events, and a poll whenever the stream could not be opened, with growing
 * and random pauses (back-off.ts), so that all companions do not come back at the same moment. What arrives is handed over as a
 * parsed document; whether it may be installed is for others.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import {
  type Acknowledgement,
  type CompanionState,
  type ConnectionReport,
  companionState,
  connectionReportReply,
} from '../api/companions.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { BackOff, type Pauses } from './back-off.ts';
import { readEvents } from './event-stream.ts';
import { type Log, logFailure } from './log.ts';
import { openResponse, requestJson, type Server } from './server-request.ts';

export interface FeedClientOptions {
  readonly server: Server;
  /** The highest versions that were ever installed; the CA sends nothing if it never gave them. */
  readonly installed: () => { readonly state: bigint; readonly krl: bigint };
  /** In the order of arrival, one at a time. Must not throw. */
  readonly onState: (state: CompanionState) => Promise<void>;
  /** A stream was opened: now is the time to report. Must not throw. */
  readonly onConnected: () => void;
  /** Anything was heard, a heartbeat included. */
  readonly onContact: () => void;
  readonly log: Log;
  readonly pauses?: Pauses;
  /** Longer silence than this, heartbeats included, means that the line is dead. */
  readonly silenceMilliseconds?: number;
}

export interface FeedClient {
  acknowledge(acknowledgement: Acknowledgement): Promise<void>;
  /** @returns sessions among them that have ended */
  report(report: ConnectionReport): Promise<readonly string[]>;
  stop(): Promise<void>;
}

export function startFeedClient(options: FeedClientOptions): FeedClient {
  const { server } = options;
  const stopping = new AbortController();
  const running = run(options, stopping.signal);
  return {
    async acknowledge(body) {
      const asked = { body, signal: stopping.signal };
      await requestJson(server, '/v1/companions/acknowledgement', z.unknown(), asked).catch(
        (error: unknown) => {
          // Whoever stops it in the middle of that tells it anew when it starts.
          if (!stopping.signal.aborted) throw error;
        },
      );
    },
    async report(body) {
      const reply = await requestJson(server, '/v1/companions/connections', connectionReportReply, {
        body,
        signal: stopping.signal,
      });
      return reply.ended_sessions;
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function run(options: FeedClientOptions, stopped: AbortSignal): Promise<void> {
  const backOff = new BackOff(options.pauses);
  while (!stopped.aborted) {
    try {
      await stream(options, stopped, backOff);
    } catch (error) {
      if (stopped.aborted) return;
      noteFailure(backOff, error);
      logFailure(options.log, 'warning', 'feed.interrupted', error);
    }
    const mayPoll = backOff.hasFailed;
    await wait(backOff.next(Math.random()), undefined, { signal: stopped }).catch(() => {});
    if (mayPoll && !backOff.isRefused && !stopped.aborted) await poll(options, stopped, backOff);
  }
}

function noteFailure(backOff: BackOff, error: unknown): void {
  const seconds = isSallyportError(error) ? error.members['retry_after'] : undefined;
  if (typeof seconds === 'number') backOff.refused(seconds);
  else backOff.unreachable();
}

async function stream(options: FeedClientOptions, stopped: AbortSignal, backOff: BackOff): Promise<void> {
  const silence = new AbortController();
  const limit = options.silenceMilliseconds ?? 60_000;
  const timer = setTimeout(() => silence.abort(new Error('nothing was heard for too long')), limit);
  timer.unref();
  try {
    const response = await openResponse(options.server, `/v1/companions/feed${queryOf(options)}`, {
      signal: AbortSignal.any([stopped, silence.signal]),
      accept: 'text/event-stream',
    });
    if (response.body === null) return;
    backOff.opened();
    options.onContact();
    options.onConnected();
    const heard = () => {
      timer.refresh();
      options.onContact();
    };
    const events = readEvents(response.body, heard, (milliseconds) => backOff.returnWithin(milliseconds));
    for await (const { event, data } of events) {
      if (event === 'state') await handOver(options, data);
    }
  } finally {
    clearTimeout(timer);
  }
}

async function handOver({ onState, log }: FeedClientOptions, data: string): Promise<void> {
  let state: CompanionState;
  try {
    state = companionState.parse(JSON.parse(data));
  } catch (error) {
    // The next one may be better; the old one stays.
    logFailure(log, 'warning', 'feed.state_unreadable', error);
    return;
  }
  await onState(state);
}

async function poll(options: FeedClientOptions, stopped: AbortSignal, backOff: BackOff): Promise<void> {
  try {
    const path = `/v1/companions/state${queryOf(options)}`;
    const state = await requestJson(options.server, path, companionState, { signal: stopped });
    options.onContact();
    await options.onState(state);
  } catch (error) {
    if (stopped.aborted) return;
    noteFailure(backOff, error);
    logFailure(options.log, 'warning', 'feed.unreachable', error);
  }
}

function queryOf({ installed }: FeedClientOptions): string {
  const { state, krl } = installed();
  return state === 0n ? '' : `?version=${state}&krl_version=${krl}`;
}
