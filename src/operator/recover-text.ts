/** What `sallyport recover` prints: lines for people, or a document. */
import { changeSentence, type DatabaseIdentity } from '../ca/database-identity.ts';
import type { Acceptance, Assessment, Recovery } from './recover-database.ts';

export type Done = Recovery | Acceptance;

/** What happened. */
export function describeAssessment({ standing, needed, remembersUntil, lastSerial }: Assessment): string[] {
  const { accepted, present, changes } = standing;
  return [
    `This database is ${describeIdentity(present)}.`,
    accepted
      ? `The one accepted on ${timeText(accepted.acceptedAt)} is\n${describeIdentity(accepted)}.`
      : 'No server was ever started on it: the first start accepts it as it is.',
    remembersUntil
      ? `The last certificate that it remembers was issued at ${timeText(remembersUntil)};\nits last serial is ${lastSerial}.`
      : 'It remembers no certificate.',
    ...(changes.length > 0
      ? ['', 'What happened:', ...changes.flatMap((change) => listItem(changeSentence(change)))]
      : []),
    ...(needed ? [] : ['', 'Nothing tells that it has forgotten anything: there is nothing to do.']),
  ];
}

function describeIdentity({ systemIdentifier, timeline, databaseOid }: DatabaseIdentity): string {
  return `cluster ${systemIdentifier}, timeline ${timeline}, database ${databaseOid}`;
}

/** A sentence as an item of a list, in lines of at most 80 characters. */
function listItem(sentence: string): string[] {
  return (sentence.match(/\S.{0,76}\S(?=\s|$)|\S+/g) ?? []).map(
    (line, at) => `${at === 0 ? '-' : ' '} ${line}`,
  );
}

/** To the second: what is compared with it is the time of a backup. */
function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** What a recovery will do. */
export function describeRecovery({ liveSessions }: Assessment): string[] {
  return [
    '',
    'Recovering',
    '- revokes every certificate of a person that was ever issued; machines refuse',
    '  them as soon as they hear of it',
    `- ends ${liveSessions} login sessions: everybody logs in again`,
    '- spends every unused enrolment token',
    '- lets serials and versions go on past everything that may have been given',
    '- lets certificates be issued again',
    'Host certificates stay. What admins changed after the time above is not brought',
    'back: look at disabled accounts, access rules, revoked machines and CA keys',
    'before people log in.',
    '',
  ];
}

/** What accepting it as it is will do. */
export function describeAcceptance(): string[] {
  return [
    '',
    'Accepting it as it is, since nothing was lost',
    '- revokes nothing and ends no session: whoever was thrown out since the last',
    '  commit that came along is back',
    '- lets serials and versions go on past everything that may have been given',
    '- lets certificates be issued again',
    '',
  ];
}

export function describeDone(done: Done): string[] {
  const issuing = 'Servers that run issue certificates again.';
  if (!('revokedUpTo' in done)) return [`Accepted with state version ${done.version}. ${issuing}`];
  const { version, revokedUpTo, sessionsEnded, enrolmentTokensExpired, apiTokensRevoked } = done;
  return [
    `Recovered with state version ${version}:`,
    `serials up to ${revokedUpTo} are revoked, ${sessionsEnded} sessions ended,`,
    `${enrolmentTokensExpired} enrolment tokens spent, ${apiTokensRevoked} API tokens revoked.`,
    issuing,
  ];
}

/** Numbers over 2^53 are decimal text. */
export function recoverDocument(found: Assessment, done: Done | undefined) {
  const { standing, needed, remembersUntil, lastSerial, liveSessions } = found;
  return {
    needed,
    found: standing.changes.map((change) => ({ kind: change.kind, message: changeSentence(change) })),
    accepted: standing.accepted ? identityDocument(standing.accepted) : null,
    present: identityDocument(standing.present),
    remembers_until: remembersUntil?.toISOString() ?? null,
    last_serial: `${lastSerial}`,
    live_sessions: liveSessions,
    done: done ? doneDocument(done) : null,
  };
}

function doneDocument(done: Done) {
  const version = `${done.version}`;
  if (!('revokedUpTo' in done)) return { version };
  return {
    version,
    revoked_up_to: `${done.revokedUpTo}`,
    sessions_ended: done.sessionsEnded,
    enrolment_tokens_expired: done.enrolmentTokensExpired,
    api_tokens_revoked: done.apiTokensRevoked,
  };
}

function identityDocument({ systemIdentifier, timeline, databaseOid }: DatabaseIdentity) {
  return { system_identifier: systemIdentifier, timeline, database_oid: databaseOid };
}
