/**
 * The last thing before the terminal: whatever a command prints, no character of it moves the cursor, sets the title,
 * turns the direction of the text or is not seen at all. What came from elsewhere has been through printable() by then;
 * this is for what was forgotten, and for --json, where C1 controls would be legal (RFC 8259 section 7).
 */
import type { TextSink } from './environment.ts';

/** The sequences of terminal.ts. */
const own = '\\u001b\\[(?:1|2|22|31|32|39)m';
/** Controls, formats (as of direction), private and unassigned characters but for line ends and tabs; line separators. */
const unsafe = '[^\\P{C}\\n\\t]|[\\u2028\\u2029]';
const withColors = new RegExp(`${own}|${unsafe}`, 'gu');
const withoutColors = new RegExp(unsafe, 'gu');

/** @param colors whether our own sequences pass */
export function guardedSink(sink: TextSink, { colors }: { readonly colors: boolean }): TextSink {
  const pattern = colors ? withColors : withoutColors;
  const shown = (found: string) => (found.length > 2 ? found : escaped(found));
  return { write: (text) => sink.write(text.replace(pattern, shown)) };
}

/** As JSON escapes them, so that a document stays one. */
function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, at) => {
    const unit = character.charCodeAt(at).toString(16).padStart(4, '0');
    return `\\u${unit}`;
  }).join('');
}
