/** Findings for a person: what is wrong first and whole, what is well in one line each, or together. Pure. */
import { wrapped } from '../inspect/text-block.ts';
import { messageLines, type Terminal } from '../terminal.ts';
import { checkNames, type Finding, type Outcome } from './finding.ts';

type Paint = Pick<Terminal, 'good' | 'bad' | 'bold' | 'dim' | 'typed'>;

const words: Readonly<Record<Outcome, string>> = {
  problem: 'PROBLEM',
  warning: 'WARNING',
  unknown: 'unknown',
  ok: 'ok',
};
const outcomeWidth = 9;
const nameWidth = Math.max(...checkNames.map((name) => name.length)) + 2;
/** With less room the text stands below its name. */
const narrowColumns = 60;

export function reportLines(findings: readonly Finding[], paint: Paint, columns: number): string[] {
  const trouble = [
    ...findings.filter(({ outcome }) => outcome === 'problem'),
    ...findings.filter(({ outcome }) => outcome === 'warning'),
  ];
  const rest = findings.filter((finding) => !trouble.includes(finding));
  const lines = trouble.flatMap((finding) => findingLines(finding, paint, columns));
  if (trouble.length === 0)
    return [
      ...rest.flatMap((finding) => findingLines(finding, paint, columns)),
      '',
      ...messageLines(summary(findings, paint), columns),
    ];
  return [...lines, ...together(rest, columns), '', ...messageLines(summary(findings, paint), columns)];
}

function findingLines(finding: Finding, paint: Paint, columns: number): string[] {
  const { check, outcome, says, fix } = finding;
  const isNarrow = columns < narrowColumns;
  const margin = ' '.repeat(isNarrow ? 2 : outcomeWidth + nameWidth);
  const width = Math.max(columns - margin.length, 20);
  const texts = [says, ...(fix === null ? [] : [`Fix: ${fix}`])].flatMap((text) =>
    wrapped(paint.typed(text), width),
  );
  const word = painted(outcome, paint)(words[outcome]) + ' '.repeat(outcomeWidth - words[outcome].length);
  if (isNarrow) return [`${word}${check}`, ...texts.map((text) => margin + text)];
  const [first = '', ...more] = texts;
  return [`${word}${check.padEnd(nameWidth)}${first}`, ...more.map((text) => margin + text)];
}

/** The names alone, where there is trouble to look at. */
function together(findings: readonly Finding[], columns: number): string[] {
  return (['unknown', 'ok'] as const).flatMap((wanted) => {
    const names = [
      ...new Set(findings.filter(({ outcome }) => outcome === wanted).map(({ check }) => check)),
    ];
    if (names.length === 0) return [];
    const [first = '', ...more] = wrapped(names.join(', '), Math.max(columns - outcomeWidth, 20));
    return [
      words[wanted].padEnd(outcomeWidth) + first,
      ...more.map((line) => ' '.repeat(outcomeWidth) + line),
    ];
  });
}

function summary(findings: readonly Finding[], { good, bad, typed }: Paint): string {
  const count = (wanted: Outcome) => findings.filter(({ outcome }) => outcome === wanted).length;
  const [problems, warnings] = [count('problem'), count('warning')];
  const unknown = count('unknown');
  if (problems + warnings === 0) {
    return unknown === 0 ? good('Nothing is wrong.') : `Nothing wrong was found; not looked at: ${unknown}.`;
  }
  const canFix = findings.some(({ repair }) => repair !== undefined);
  const text = [
    ...(problems > 0 ? [`${problems} problem${problems === 1 ? '' : 's'}`] : []),
    ...(warnings > 0 ? [`${warnings} warning${warnings === 1 ? '' : 's'}`] : []),
  ].join(', ');
  return `${problems > 0 ? bad(text) : text}.${canFix ? typed(' What is safe to mend: sally doctor --fix') : ''}`;
}

function painted(outcome: Outcome, { good, bad, bold, dim }: Paint): (text: string) => string {
  return { ok: good, problem: bad, warning: bold, unknown: dim }[outcome];
}
