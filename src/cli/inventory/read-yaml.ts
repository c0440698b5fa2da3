/**
 * YAML files as strictly as JSON, and each problem with its line. Anchors and aliases are refused, which a few lines of
 * could make a document of any size; so are tags, a name twice, and keys that are no text. JSON is YAML, so it is read
 * as well.
 */
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  visit,
} from 'yaml';
import type { z } from 'zod';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { printable } from '../printable.ts';

const mostProblemsTold = 20;

interface Problem {
  /** In characters of the text. */
  readonly at: number;
  readonly message: string;
}

/** @param file its name, for messages @throws settings_invalid */
export function parseYaml<Schema extends z.ZodType>(
  bytes: Uint8Array,
  { file, schema }: { readonly file: string; readonly schema: Schema },
): z.output<Schema> {
  const text = decode(bytes, file);
  const lines = new LineCounter();
  const fail = (problems: readonly Problem[]): never => {
    throw refused(file, lines, problems);
  };
  const document = parse(text, lines, fail);
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0) fail(broken.map(({ pos: [at], message }) => ({ at, message })));
  const unwanted = unwantedParts(document);
  if (unwanted.length > 0) fail(unwanted);
  const parsed = schema.safeParse(document.toJS({ maxAliasCount: 0 }));
  if (parsed.success) return parsed.data;
  return fail(parsed.error.issues.flatMap((issue) => problemsOf(document, issue)));
}

type Parsed = Document.Parsed<ParsedNode, true>;

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new SallyportError('settings_invalid', `${printable(file)} is not UTF-8.`);
  }
}

function parse(text: string, lineCounter: LineCounter, fail: (problems: Problem[]) => never): Parsed {
  try {
    return parseDocument(text, {
      lineCounter,
      version: '1.2',
      schema: 'core',
      strict: true,
      uniqueKeys: true,
      stringKeys: true,
      prettyErrors: false,
    }) as Parsed;
  } catch (error) {
    // Of a tower of brackets.
    if (error instanceof RangeError) return fail([{ at: 0, message: 'nests too deep' }]);
    throw error;
  }
}

function unwantedParts(document: Parsed): Problem[] {
  const problems: Problem[] = [];
  visit(document, {
    Node(_key, node) {
      const at = node.range?.[0] ?? 0;
      if (isAlias(node)) problems.push({ at, message: 'is an alias, which is not read here: write it out' });
      else if (node.anchor !== undefined)
        problems.push({ at, message: 'has an anchor, which is not read here' });
      else if (node.tag !== undefined && !usualTags.has(node.tag)) {
        problems.push({ at, message: 'has a tag, which is not read here' });
      }
    },
  });
  return problems;
}

/** What scalars and collections have without being given one. */
const usualTags = new Set(
  ['map', 'seq', 'str', 'int', 'float', 'bool', 'null'].map((name) => `tag:yaml.org,2002:${name}`),
);

type Issue = z.core.$ZodIssue;

function problemsOf(document: Parsed, issue: Issue): Problem[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      at: placeOf(document, [...path, key]),
      message: `${pathText([...path, key])} is not known here`,
    }));
  }
  const at = placeOf(document, path);
  if (path.length === 0) return [{ at, message: document.contents === null ? 'is empty' : issue.message }];
  const isMissing = issue.code === 'invalid_type' && document.getIn(path) === undefined;
  return [{ at, message: `${pathText(path)}${isMissing ? ' is missing' : `: ${issue.message}`}` }];
}

/** Where a value stands, or what should hold it if it is missing. */
function placeOf({ contents }: Parsed, path: readonly string[]): number {
  let node: Node | null = contents;
  let at = startOf(node) ?? 0;
  for (const part of path) {
    if (!isCollection(node)) return at;
    const item: unknown = isMap(node)
      ? node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === part)
      : node.items[Number(part)];
    if (item === undefined) return at;
    const [key, value] = isPair(item) ? [item.key, item.value] : [null, item];
    at = startOf(key) ?? startOf(value) ?? at;
    node = isNode(value) ? value : null;
  }
  return at;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

/** projects[0].environments[1].kind */
function pathText(path: readonly string[]): string {
  return path
    .map((part, index) => (/^[0-9]+$/.test(part) ? `[${part}]` : `${index === 0 ? '' : '.'}${part}`))
    .join('');
}

function refused(file: string, lines: LineCounter, problems: readonly Problem[]): SallyportError {
  const told = problems.slice(0, mostProblemsTold).map(({ at, message }) => {
    const { line, col } = lines.linePos(at);
    return printable(`  ${file}:${line}:${col}: ${message}`);
  });
  const more = problems.length - told.length;
  if (more > 0) told.push(`  and ${more} more`);
  return new SallyportError('settings_invalid', `The file is not as it must be:\n${told.join('\n')}`);
}
