/** `SALLY_DEBUG=1`: what was decided and asked, on stderr, one line each, and never a secret. */
import type { TextSink } from './environment.ts';
import { printable } from './printable.ts';

export interface DebugLog {
  say(message: string): void;
  /** From now on this text is shown as <redacted>, wherever it turns up. */
  redact(secret: string): void;
}

export function createDebugLog(enabled: boolean, sink: TextSink): DebugLog {
  const secrets = new Set<string>();
  return {
    say(message) {
      if (!enabled) return;
      let text = message;
      for (const secret of secrets) text = text.replaceAll(secret, '<redacted>');
      sink.write(`sally debug: ${printable(text)}\n`);
    },
    redact(secret) {
      if (secret.length > 0) secrets.add(secret);
    },
  };
}
