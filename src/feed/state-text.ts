/** A state as JSON. Parts that several states share, as derive-state.ts makes them, are written once. */
import type { CompanionState } from '../api/companions.ts';

const texts = new WeakMap<object, string>();

/** The same as JSON.stringify(state). */
export function stateText(state: CompanionState): string {
  const members = Object.entries(state)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${JSON.stringify(name)}:${textOf(value)}`);
  return `{${members.join(',')}}`;
}

function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const known = texts.get(value);
  if (known !== undefined) return known;
  const text = Array.isArray(value) ? `[${value.map(textOf).join(',')}]` : JSON.stringify(value);
  texts.set(value, text);
  return text;
}
