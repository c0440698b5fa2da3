/** What a companion tells its log: one event per line, never a ticket, a credential or a key. */
import { isSallyportError } from '../errors/sallyport-error.ts';

export interface LogEntry {
  readonly level: 'info' | 'warning' | 'error';
  readonly event: string;
  readonly message: string;
  readonly facts?: Readonly<Record<string, string | number | boolean | null>>;
}

export type Log = (entry: LogEntry) => void;

export function logFailure(log: Log, level: LogEntry['level'], event: string, error: unknown): void {
  const message = error instanceof Error ? error.message : 'unknown';
  const detail = isSallyportError(error) ? (error.detail ?? null) : null;
  log({ level, event, message, facts: { detail } });
}
