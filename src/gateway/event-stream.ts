/** Reads a stream of server-sent events (HTML standard, section 9.2.6), as far as the feed uses it: lines end in LF or CR LF. */
import { SallyportError } from '../errors/sallyport-error.ts';

export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

/** A state with 100,000 targets is about 60 MB. */
const longestEvent = 128 * 1024 * 1024;

/**
 * Yields each event as it is complete; an unfinished one at the end is dropped.
 * @param onBytes is called for everything that arrives, heartbeats included
 * @param onRetry is called with the milliseconds that the sender wants a reader to wait when the stream breaks
 * @throws unavailable if an event is endless
 */
export async function* readEvents(
  body: AsyncIterable<Uint8Array>,
  onBytes: () => void = () => {},
  onRetry: (milliseconds: number) => void = () => {},
): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  /** Pieces of a line that is not complete yet: joined once, however many chunks it takes. */
  let pieces: string[] = [];
  let event = 'message';
  let data: string[] = [];
  let length = 0;
  for await (const chunk of body) {
    onBytes();
    const text = decoder.decode(chunk, { stream: true });
    length += text.length;
    if (length > longestEvent) throw new SallyportError('unavailable', 'The feed sent an endless event.');
    pieces.push(text);
    if (!text.includes('\n')) continue;
    const lines = pieces.join('').split(/\r?\n/);
    pieces = [lines.pop() ?? ''];
    for (const line of lines) {
      const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (line === '') {
        if (data.length > 0) yield { event, data: data.join('\n') };
        event = 'message';
        data = [];
        length = 0;
      } else if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
      else if (field === 'retry' && /^[0-9]{1,9}$/.test(value)) onRetry(Number(value));
    }
  }
}
