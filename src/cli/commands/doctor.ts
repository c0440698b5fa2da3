/** `sally doctor`: what is wrong here, what it means and how it is mended. */
import type { SallyContext } from '../context.ts';
import { examine } from '../doctor/examine.ts';
import { type Finding, isWell } from '../doctor/finding.ts';
import { type Repaired, repairAll } from '../doctor/repair.ts';
import { reportLines } from '../doctor/report.ts';
import type { ExitName } from '../exit-codes.ts';
import { printable } from '../printable.ts';

export interface DoctorOptions {
  readonly fix?: boolean;
  readonly json?: boolean;
  readonly offline?: boolean;
}

export async function doctor(context: SallyContext, options: DoctorOptions): Promise<ExitName> {
  const { terminal, environment } = context;
  const examined = await examine(context, options);
  const repairs = examined.flatMap(({ repair }) => repair ?? []);
  const repaired = options.fix ? await repairAll(context, repairs) : [];
  const findings = repaired.length > 0 ? await examine(context, options) : examined;
  if (options.json) {
    terminal.print(JSON.stringify(document(context, findings, repaired), null, 2));
  } else {
    for (const { what, failure } of repaired) {
      const text = failure === null ? terminal.good('mended') : `${terminal.bad('not mended')} (${failure})`;
      terminal.print(`${text}: ${what}`);
    }
    if (repaired.length > 0) terminal.print();
    for (const line of reportLines(findings, terminal, environment.columns ?? 80)) terminal.print(line);
  }
  return isWell(findings) ? 'done' : 'unwell';
}

/** For somebody else to read: no home folder, no account, nothing that lets anybody in. */
function document(context: SallyContext, findings: readonly Finding[], repaired: readonly Repaired[]) {
  const { environment, paths } = context;
  const hide = (text: string) =>
    printable(text.replaceAll(paths.home, '~').replace(/[^\s:/]+@[^\s:/]+/g, 'ACCOUNT'));
  return {
    v: 1,
    sally: environment.version ?? null,
    platform: environment.platform ?? process.platform,
    well: isWell(findings),
    repaired: repaired.map(({ what, failure }) => ({
      what: hide(what),
      failure: failure === null ? null : hide(failure),
    })),
    checks: findings.map(({ check, outcome, says, fix, repair }) => ({
      check,
      outcome,
      says: hide(says),
      fix: fix === null ? null : hide(fix),
      mendable: repair !== undefined,
    })),
  };
}
