/** `SALLY_DEBUG=1`: what was decided and asked, on stderr, and never a secret. */
import type { TextSink } from './environment.ts';
import { printableLines } from './printable.ts';

export interface DebugLog {
  say(message: string): void;
  /** From now on this text is shown as <redacted>, wherever it turns up. */
  redact(secret: string): void;
  /** The text without what is secret. */
  cleaned(text: string): string;
}

export function createDebugLog(enabled: boolean, sink: TextSink): DebugLog {
  const secrets = new Set<string>();
  const cleaned = (message: string) => {
    let text = message;
    for (const secret of secrets) text = text.replaceAll(secret, '<redacted>');
    return text;
  };
  return {
    cleaned,
    say(message) {
      if (!enabled) return;
      for (const line of printableLines(cleaned(message))) sink.write(`sally debug: ${line}\n`);
    },
    redact(secret) {
      if (secret.length > 0) secrets.add(secret);
    },
  };
}
