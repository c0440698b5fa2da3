import { printable } from '../printable.ts';
import type { Row } from './text-block.ts';

/** Where something stood, and what stood around it. */
export function placeRows(
  place: { readonly line: number | null; readonly before: string | null; readonly comment: string | null },
  { showsLines }: { readonly showsLines: boolean },
): Row[] {
  const { line, before, comment } = place;
  return [
    ...(line === null || !showsLines ? [] : [{ name: 'Line', text: String(line) }]),
    ...(before === null ? [] : [{ name: 'Before it', text: printable(before) }]),
    ...(comment === null ? [] : [{ name: 'Comment', text: printable(comment) }]),
  ];
}
