/** Keys of ours in the person's ssh-agent that are good for nothing any more, and only fill up what ssh may try. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Certificate } from '../../ssh/certificate.ts';
import { splitKeyId } from '../../ssh/names.ts';
import { parseCertificateLine } from '../../ssh/parse-certificate.ts';
import { parsePublicKeyLine } from '../../ssh/public-key.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import { certificateFile, keyFile } from '../current-pair.ts';
import { narrowedHere } from '../narrowed-paths.ts';
import { readSessionFacts } from '../session-file.ts';
import { type Finding, ok } from './finding.ts';
import { runCaptured } from './run-captured.ts';

export interface AgentFacts {
  /** As `ssh-add -L` prints them; a word: why there are none. */
  readonly held: readonly string[] | 'no agent' | 'not answered';
  /** Certificates whose private keys lie here, older ones too: not those for a key of the person's own agent. */
  readonly stored: readonly string[];
  /** The login here; null: nobody's. */
  readonly login: { readonly account: string; readonly sessionId: string; readonly isLive: boolean } | null;
}

export async function gatherAgent(context: SallyContext): Promise<AgentFacts> {
  const { paths, environment } = context;
  const session = await readSessionFacts(context).catch(() => undefined);
  const login = session
    ? {
        account: session.account,
        sessionId: session.session_id,
        isLive: session.has_tokens && session.expires_at > nowSeconds(context),
      }
    : null;
  const stored: string[] = [];
  for (const { pairs } of [paths, ...(await narrowedHere(paths))]) {
    for (const name of await readdir(pairs).catch(() => [])) {
      const line = await readFile(join(pairs, name, certificateFile), 'latin1').catch(() => '');
      const key = await readFile(join(pairs, name, keyFile), 'latin1').catch(() => '');
      if (line !== '' && key.startsWith('-----BEGIN')) stored.push(line.trim());
    }
  }
  const socket = environment.forPrograms?.['SSH_AUTH_SOCK'];
  if (!socket) return { held: 'no agent', stored, login };
  const { status, stdout } = await runCaptured(context, 'ssh-add', ['-L']);
  // 1: it holds nothing; 2: nobody answers (ssh-add(1)).
  const held = status === 0 ? stdout.trim().split('\n') : status === 1 ? [] : 'not answered';
  return { held, stored, login };
}

export function judgeAgent({ held, stored, login }: AgentFacts, nowSecondsNow: number): Finding {
  if (held === 'no agent') return ok('agent', 'no ssh-agent is used, none is needed');
  if (held === 'not answered') {
    return {
      check: 'agent',
      outcome: 'warning',
      says: 'SSH_AUTH_SOCK names an ssh-agent that does not answer. Ours does without it; your other keys may not.',
      fix: 'Start your agent again, or: unset SSH_AUTH_SOCK',
    };
  }
  const isOver = (certificate: Certificate) => {
    if (Number(certificate.validBefore) <= nowSecondsNow) return true;
    // What is of somebody else may be another profile's, or another server's.
    const of = splitKeyId(certificate.keyId);
    if (!login || of?.account !== login.account) return false;
    return of.sessionId !== login.sessionId || !login.isLive;
  };
  // A plain key is ours only if we have made it: a certificate may be for one that the person uses elsewhere, too.
  const own = stored.flatMap((line) => ourCertificate(line) ?? []);
  const stale = held.filter((line) => {
    const certificate = ourCertificate(line);
    if (certificate) return isOver(certificate);
    const blob = blobOf(line);
    const of = blob && own.filter(({ publicKey }) => blob.equals(publicKey));
    return of && of.length > 0 && of.every(isOver);
  });
  if (stale.length === 0) return ok('agent', 'no key of ours in it that is over');
  return {
    check: 'agent',
    outcome: 'warning',
    says: `Your ssh-agent holds ${stale.length} of our keys that are over. ssh may offer them first, and a server hangs up after a few.`,
    fix: 'sally doctor --fix takes them out; all of your keys: ssh-add -D',
    repair: { kind: 'agent-keys', lines: stale },
  };
}

/** Of a login of ours, by what only our server puts into one. */
function ourCertificate(line: string): Certificate | undefined {
  if (!/^\S+-cert-v01@openssh\.com /.test(line)) return undefined;
  try {
    const certificate = parseCertificateLine(line);
    const isOurs = splitKeyId(certificate.keyId) !== undefined;
    return isOurs ? certificate : undefined;
  } catch {
    return undefined;
  }
}

function blobOf(line: string): Buffer | undefined {
  try {
    return Buffer.from(parsePublicKeyLine(line).blob);
  } catch {
    return undefined;
  }
}
