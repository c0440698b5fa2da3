/**
 * Text that came from elsewhere, made safe for a terminal: printable ASCII stays, everything else is written as an
 * escape, so that no message can move the cursor, set the title or hide what it says.
 */
export function printable(text: string): string {
  return text.replace(
    /[^\x20-\x7e]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** The same for text of several lines: the line ends stay. */
export function printableLines(text: string): string[] {
  return text.replace(/\n$/, '').split('\n').map(printable);
}
