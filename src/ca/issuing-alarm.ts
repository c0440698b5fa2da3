/**
 * The alarm for operators: said once when no certificate can be issued, whoever asks, and once when one was issued
 * again. What is wrong with a single request is no matter for it.
 */
import type { ErrorCode } from '../errors/codes.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';

export interface IssuingAlarm {
  readonly alarm: 'issuing_stopped' | 'issuing_resumed';
  readonly code: ErrorCode;
  /** What happened, for the log. */
  readonly detail: string;
  /** Requests that failed since issuing stopped. */
  readonly failed: number;
}

/** What fails for everybody: the record can't be written, the key can't sign, or the database must be recovered first. */
const everybodys: ReadonlySet<ErrorCode> = new Set([
  'database_unavailable',
  'signer_failed',
  'recovery_needed',
]);

export interface IssuingWatch {
  failed(error: unknown): void;
  issued(): void;
}

export function watchIssuing(onAlarm: (alarm: IssuingAlarm) => void): IssuingWatch {
  let stopped: Omit<IssuingAlarm, 'alarm'> | undefined;
  return {
    failed: (error) => {
      if (!isSallyportError(error) || !everybodys.has(error.code)) return;
      const { code, message, detail = message } = error;
      const isNew = stopped === undefined;
      stopped = { code, detail, failed: (stopped?.failed ?? 0) + 1 };
      if (isNew) onAlarm({ alarm: 'issuing_stopped', ...stopped });
    },
    issued: () => {
      if (stopped === undefined) return;
      const { code, detail, failed } = stopped;
      stopped = undefined;
      onAlarm({ alarm: 'issuing_resumed', code, detail, failed });
    },
  };
}
