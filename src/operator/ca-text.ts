/** What `sallyport ca` prints. Pure: documents in, text out. */
import type { CaKeyDocument, CaStatus, RetireReply, RotateReply } from '../api/ca-keys.ts';
import { budgetMessage } from '../ca/krl-budget.ts';

/** What each CA's certificates are for, in the order of the table. */
const about = {
  user: 'user CA: people, at gateways and hosts',
  host: 'host CA: gateways and hosts, at helpers',
  hop: 'hop CA: gateways for people, at hosts',
} as const;

const noKeys =
  'There are no CA keys yet. The first start of `sallyport serve` registers those\n' +
  'that `sallyport keys create` made. For keys held elsewhere: sallyport ca init\n';

/** Every generation, aligned, with what it waits for and the next command; then the size of the revocation list. */
export function statusText({ keys, krl }: CaStatus): string {
  if (keys.length === 0) return noKeys;
  const width = Math.max(...keys.map(({ generation }) => `${generation}`.length));
  const indent = ' '.repeat(width + 4);
  const blocks = (['user', 'host', 'hop'] as const).map((purpose) => {
    const lines = keys
      .filter((key) => key.purpose === purpose)
      .flatMap((key) => [
        `  ${`${key.generation}`.padStart(width)}  ${stateWord(key).padEnd(11)}  ${key.fingerprint}`,
        ...[key.signer, ...remarks(key)].map((remark) => `${indent}${remark}`),
      ]);
    return `${about[purpose]}\n${lines.map((line) => `${line}\n`).join('')}`;
  });
  return [...blocks, ...(krl ? [`${budgetMessage(krl)}\n`] : [])].join('\n');
}

function stateWord({ state, compromised_at }: CaKeyDocument): string {
  return compromised_at === null ? state : 'compromised';
}

function remarks(key: CaKeyDocument): string[] {
  const { purpose, state, waits_for, problems } = key;
  const lines = [moment(key), ...problems];
  if (state !== 'next') return lines;
  if (waits_for.length === 0)
    return [...lines, `everybody knows it; let it sign: sallyport ca rotate ${purpose}`];
  return [...lines, 'waits for:', ...waits_for.map((wait) => `  ${wait}`)];
}

function moment(key: CaKeyDocument): string {
  if (key.compromised_at !== null) return `revoked as compromised ${timeText(key.compromised_at)}`;
  switch (key.state) {
    case 'next':
      return `trusted since ${timeText(key.created_at)}, signs nothing yet`;
    case 'active':
      return `signs since ${timeText(key.activated_at ?? key.created_at)}`;
    case 'retiring':
      return `trusted until its last certificate is over, ${timeText(key.retires_at ?? 0)} as it stands`;
    case 'retired':
      return `retired ${timeText(key.retired_at ?? 0)}`;
  }
}

/** What came of `ca init`. */
export function initText(made: readonly CaKeyDocument[]): string {
  if (made.length === 0) {
    return 'All three CAs have their keys already; nothing was changed.\nSee them: sallyport ca status\n';
  }
  const width = Math.max(...made.map(({ purpose }) => purpose.length));
  const lines = made.map(
    ({ purpose, fingerprint, signer }) =>
      `  ${purpose.padEnd(width)}  ${fingerprint}\n  ${' '.repeat(width)}  ${signer}\n`,
  );
  return (
    `Made and registered:\n${lines.join('')}` +
    'Back up key files where only you can read them. Next: sallyport serve\n'
  );
}

/** What came of `ca rotate`. */
export function rotateText({ did, purpose, generation, waits_for }: RotateReply): string {
  const waits = waits_for.map((wait) => `  ${wait}\n`).join('');
  if (did === 'created') {
    const next = `Next: sallyport ca rotate ${purpose}\n`;
    const head = `Generation ${generation} of the ${purpose} CA is made.\nIt is trusted from now on and signs nothing yet.\n`;
    if (waits === '') return `${head}Everybody knows it already. ${next}`;
    return `${head}Before it may sign it waits for:\n${waits}${next}`;
  }
  const head =
    `Generation ${generation} of the ${purpose} CA signs from now on.\n` +
    'The one before it stays trusted until its last certificate is over, and retires\nby itself then.\n';
  if (waits === '') return `${head}See it: sallyport ca status\n`;
  return `${head}Nobody was waited for:\n${waits}See who is left: sallyport ca status\n`;
}

/** What came of `ca retire`. @param behind machines that have not dropped a compromised key yet */
export function retireText(
  { purpose, generation, compromised, replaced_by }: RetireReply,
  behind: readonly string[],
): string {
  if (!compromised)
    return `Generation ${generation} of the ${purpose} CA is retired. Nobody trusts it any more.\n`;
  const replaced = replaced_by === null ? '' : ` Generation ${replaced_by} signs instead.`;
  const head = `Generation ${generation} of the ${purpose} CA is revoked as compromised.${replaced}\n`;
  return head + aftermath[purpose](behind);
}

const aftermath: Readonly<Record<RetireReply['purpose'], (behind: readonly string[]) => string>> = {
  user: (behind) =>
    machines(behind) +
    'Connections that came in with its certificates are ended. Nobody has to log in\n' +
    'again: helpers get new certificates at their next renewal, within the hour, or\n' +
    'at once with: sally cert ensure --force\n',
  hop: machines,
  host: () =>
    'Gateways and hosts get new host certificates as they hear of it. Helpers drop\n' +
    'the key at their next renewal, within the hour, or at once with:\n' +
    '  sally cert ensure --force\n',
};

function machines(behind: readonly string[]): string {
  if (behind.length === 0) return 'Every gateway and host in use refuses it.\n';
  const lines = behind.map((line) => `  ${line}\n`).join('');
  return `These have not dropped it yet, and refuse it once they hear of it:\n${lines}`;
}

/** To the minute: nobody reads seconds here. */
function timeText(unixSeconds: number): string {
  return `${new Date(unixSeconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
