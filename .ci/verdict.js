// Reads vitest's JSON report: fails if a test failed, was skipped or is still to do, or if none ran. The last line
// printed is "N passed, N failed".
import { readFileSync } from 'node:fs';

const [file, exitCode] = process.argv.slice(2);
const report = JSON.parse(readFileSync(file, 'utf8'));
const skipped = report.testResults.flatMap((suite) =>
  suite.assertionResults
    .filter((test) => !['passed', 'failed'].includes(test.status))
    .map((test) => `${suite.name}: ${test.fullName}`),
);
for (const test of skipped) console.log(`skipped: ${test}`);
for (const suite of report.testResults) {
  if (suite.status === 'failed' && suite.assertionResults.length === 0)
    console.log(`did not load: ${suite.name}`);
}
const broken = report.testResults.filter(
  (suite) => suite.status === 'failed' && suite.assertionResults.length === 0,
).length;
const passed = report.numPassedTests;
const failed = report.numFailedTests + skipped.length + broken;
const good = exitCode === '0' && failed === 0 && passed > 0;
if (exitCode !== '0' && failed === 0) console.log(`the test command ended with status ${exitCode}`);
console.log(`${passed} passed, ${good ? 0 : Math.max(failed, 1)} failed`);
process.exit(good ? 0 : 1);
