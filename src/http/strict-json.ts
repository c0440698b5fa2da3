/**
 * JSON without the corners where readers differ (RFC 8259 sections 4, 6 and 8.1): valid UTF-8, no byte order mark, no
 * name twice, no `__proto__`, no lone surrogates, no whole number that a double can't tell from its neighbours, no towers
 * of brackets.
 */
import { SallyportError } from '../errors/sallyport-error.ts';

const deepest = 16;

/** @throws request_malformed */
export function parseStrictJson(bytes: Uint8Array): unknown {
  const text = decode(bytes);
  const value = parse(text);
  checkTokens(text);
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed('The body is not JSON.');
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed('The body is not UTF-8.');
  }
}

/** Where strings begin, numbers, and the brackets and commas that give strings their place. */
const tokens = /["{}[\],]|-?[0-9][0-9.eE+-]*/g;

function* tokensOf(text: string): Generator<string> {
  const search = new RegExp(tokens);
  for (let found = search.exec(text); found !== null; found = search.exec(text)) {
    if (found[0] !== '"') yield found[0];
    else {
      search.lastIndex = endOfString(text, found.index) + 1;
      yield text.slice(found.index, search.lastIndex);
    }
  }
}

/** The quote that no odd number of backslashes stands before. A pattern would take a stack as deep as the string is long. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text[before - 1] === '\\') before -= 1;
    if ((end - before) % 2 === 0) return end;
  }
}

/** Walks text that JSON.parse has accepted. */
function checkTokens(text: string): void {
  /** For each open bracket the names so far, or null for an array. */
  const open: (Set<string> | null)[] = [];
  let expectsName = false;
  for (const token of tokensOf(text)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (/^[-0-9]/.test(token)) checkNumber(Number(token));
    else if (token !== ',') {
      const names = open.at(-1);
      checkString(JSON.parse(token), expectsName && names ? names : null);
    }
    if (open.length > deepest) throw malformed(`The body nests deeper than ${deepest} levels.`);
    expectsName = (token === '{' || token === ',') && open.at(-1) instanceof Set;
  }
}

function checkNumber(number: number): void {
  if (Math.abs(number) <= Number.MAX_SAFE_INTEGER) return;
  throw malformed('The body holds a number beyond 2^53.');
}

function checkString(string: string, names: Set<string> | null): void {
  if (!string.isWellFormed()) throw malformed('The body holds half a surrogate pair.');
  if (!names) return;
  if (string === '__proto__') throw malformed('The body holds the name __proto__.');
  if (names.has(string)) throw malformed('The body holds a name twice.');
  names.add(string);
}

function malformed(what: string): SallyportError {
  return new SallyportError('request_malformed', `${what} Send one JSON document as application/json.`);
}
