/** Results as JUnit XML, which most CI systems read. Pure. */
import type { PolicyTestReply } from '../api/policy-test.ts';

export function junitText({ results, failed }: PolicyTestReply): string {
  const cases = results.map(({ name, passed, expected, found, problem }) => {
    const opening = `    <testcase classname="policy" name="${escaped(name)}"`;
    if (passed) return `${opening}/>`;
    const codes = found?.reasons.map(({ code }) => code) ?? [];
    const was = problem ?? (found?.allowed ? 'allowed' : `denied (${codes.join(', ')})`);
    const wanted = expected.allowed ? 'allowed' : `denied (${expected.reasons?.join(', ') ?? 'any reason'})`;
    return `${opening}>\n      <failure message="${escaped(`expected ${wanted}, found ${was}`)}"/>\n    </testcase>`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites tests="${results.length}" failures="${failed}">`,
    `  <testsuite name="policy" tests="${results.length}" failures="${failed}">`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
  ].join('\n');
}

/** XML 1.0 has no way to write control characters: they become question marks, as everything beyond ASCII does. */
function escaped(text: string): string {
  return text
    .replace(/[^ -~]/gu, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
