/** What a timer runs: every certificate of every profile is renewed before an ssh would have to wait for it. */
import { basename, dirname } from 'node:path';
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import { currentPair } from '../current-pair.ts';
import { dpopNonce } from '../dpop-nonce.ts';
import { type EnsureOptions, ensureCertificate } from '../ensure-certificate.ts';
import { narrowedHere } from '../narrowed-paths.ts';
import { allProfiles } from '../profiles/all-profiles.ts';
import { renewalDueAt } from '../schedule.ts';
import { readSessionFacts } from '../session-file.ts';
import type { StatePaths } from '../state-paths.ts';

/** So much earlier than ssh itself would renew, if the certificate lives long enough. */
const aheadSeconds = 300;

/** @returns the profiles that were asked for, with what came of it; what fails for one does not hold up the next */
export async function ensureAllProfiles(context: SallyContext): Promise<Map<string, string>> {
  const outcomes = new Map<string, string>();
  for (const paths of await allProfiles(context.paths)) {
    const of = { ...context, paths, nonce: dpopNonce(), machine: undefined };
    const session = await readSessionFacts(of).catch(() => undefined);
    if (!session?.has_tokens) continue;
    outcomes.set(paths.profile, await ensured(of, paths, {}));
    for (const narrowed of await narrowedHere(paths)) {
      const environment = { project: basename(dirname(narrowed.own)), environment: basename(narrowed.own) };
      // One that has ended is used by nobody any more; ssh asks for it where that is wrong.
      const pair = await currentPair(narrowed).catch(() => undefined);
      if (!pair || pair.validBefore <= nowSeconds(context)) continue;
      const name = `${paths.profile} ${environment.project}/${environment.environment}`;
      outcomes.set(name, await ensured(of, narrowed, { environment }));
    }
  }
  return outcomes;
}

async function ensured(context: SallyContext, of: StatePaths, options: EnsureOptions): Promise<string> {
  try {
    const force = await isAlmostDue(context, of);
    const { kind } = await ensureCertificate(context, { ...options, force, quiet: true });
    return kind;
  } catch (error) {
    return isSallyportError(error) ? error.message : String(error);
  }
}

async function isAlmostDue(context: SallyContext, paths: StatePaths): Promise<boolean> {
  const pair = await currentPair(paths);
  if (!pair) return false;
  const ahead = Math.min(aheadSeconds, (pair.validBefore - pair.validAfter) / 6);
  return renewalDueAt(pair) - ahead <= nowSeconds(context);
}
