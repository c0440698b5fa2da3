/** `sally ssh-keys`: keys of one's own that get in without certificates, where the organization allows it. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { possessionChallenge } from '../../api/certificates.ts';
import {
  registrationMessage,
  type SshKeyDocument,
  sshKeyDocument,
  sshKeyList,
  sshKeyRemoval,
  sshKeyRequest,
} from '../../api/ssh-keys.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { parsePublicKeyLine } from '../../ssh/public-key.ts';
import { confirmed } from '../confirmed.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printTable } from '../print-table.ts';
import { printable } from '../printable.ts';
import { signWithOwnKey } from '../sign-with-key.ts';
import { callSignedIn, withFreshTokens } from '../signed-in.ts';
import { fromNow, momentText } from '../times.ts';
import { wellFormed } from '../well-formed.ts';

interface Common {
  readonly account?: string;
  readonly json?: boolean;
}

export async function sshKeysList(context: SallyContext, { account, json }: Common): Promise<ExitName> {
  const { terminal, now } = context;
  const ssh_keys = await keysOf(context, account);
  if (json) terminal.print(JSON.stringify({ ssh_keys }, null, 2));
  else if (ssh_keys.length === 0) terminal.print('There is no registered key.');
  else {
    const rows = ssh_keys.map((key) => [
      key.id,
      printable(key.name),
      printable(key.type),
      printable(key.fingerprint),
      fromNow(key.expires_at, now()),
      key.last_used_at === null ? 'never' : fromNow(key.last_used_at, now()),
    ]);
    printTable(context, ['ID', 'NAME', 'TYPE', 'FINGERPRINT', 'ENDS', 'USED'], rows);
  }
  return 'done';
}

export interface AddOptions {
  readonly name?: string;
  readonly expires?: number;
  readonly json?: boolean;
}

export async function sshKeysAdd(
  context: SallyContext,
  file: string,
  { name, expires, json }: AddOptions,
): Promise<ExitName> {
  const { terminal } = context;
  const path = resolve(context.environment.folder ?? '/', file);
  const publicFile = path.endsWith('.pub') ? path : `${path}.pub`;
  const line = await publicLineOf(publicFile);
  const { comment } = parsePublicKeyLine(line);
  const { session_id } = await withFreshTokens(context);
  const { challenge, namespace } = await callSignedIn(context, {
    method: 'POST',
    path: '/v1/certificates/challenge',
    reply: possessionChallenge,
  });
  const message = registrationMessage(session_id, challenge);
  const signature = await signWithOwnKey(publicFile, { message, namespace });
  const body = wellFormed(sshKeyRequest, {
    public_key: line,
    name: name ?? nameFrom(comment),
    ...(expires === undefined ? {} : { expires_in_seconds: expires }),
    possession: { challenge, signature },
  });
  const made = await callSignedIn(context, {
    method: 'POST',
    path: '/v1/ssh-keys',
    body,
    reply: sshKeyDocument,
  });
  if (json) terminal.print(JSON.stringify(made, null, 2));
  else {
    terminal.say(
      `${terminal.good('Registered')} ${printable(made.name)} (${printable(made.fingerprint)}) for ${made.account}, until ${momentText(made.expires_at, context.now())}.`,
    );
  }
  terminal.tell(
    'Certificates are better: they live for an hour, carry your second factor, and sally renews them by itself. Whoever copies this key gets in as you. To take it back: sally ssh-keys remove',
  );
  return 'done';
}

/** @throws not_found, settings_invalid */
export async function sshKeysRemove(
  context: SallyContext,
  which: string,
  { account, json }: Common,
): Promise<ExitName> {
  const { id, name } = choose(await keysOf(context, account), which);
  const removal = await callSignedIn(context, {
    method: 'POST',
    path: `/v1/ssh-keys/${id}/remove`,
    reply: sshKeyRemoval,
  });
  if (json) context.terminal.print(JSON.stringify(removal, null, 2));
  else context.terminal.print(`Removed ${printable(name)}; its connections are ended.`);
  return 'done';
}

export async function sshKeysRemoveAll(
  context: SallyContext,
  { account, json, yes }: Common & { readonly yes?: boolean },
): Promise<ExitName> {
  if (!yes)
    await confirmed(context, `Remove every registered key of ${account ?? 'yours'}?`, 'Nothing was removed.');
  const removal = await callSignedIn(context, {
    method: 'POST',
    path: '/v1/ssh-keys/remove-all',
    body: account === undefined ? {} : { account },
    reply: sshKeyRemoval,
  });
  if (json) context.terminal.print(JSON.stringify(removal, null, 2));
  else context.terminal.print(`Removed: ${removal.removed}.`);
  return 'done';
}

async function keysOf(context: SallyContext, account: string | undefined): Promise<SshKeyDocument[]> {
  const query = account === undefined ? '' : `?account=${encodeURIComponent(account)}`;
  const path = `/v1/ssh-keys${query}`;
  return (await callSignedIn(context, { method: 'GET', path, reply: sshKeyList })).ssh_keys;
}

async function publicLineOf(file: string): Promise<string> {
  const bytes = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new SallyportError(
      'file_refused',
      `${file} is not there. The public half of a key: ssh-keygen -y -f KEY > KEY.pub`,
    );
  });
  return bytes.trim();
}

/** The comment of the key, which most have, as far as it can be a name. */
function nameFrom(comment: string): string {
  const name = comment
    .replace(/[^A-Za-z0-9 ._@-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 63);
  return name === '' ? 'key' : name;
}

function choose(keys: readonly SshKeyDocument[], which: string): SshKeyDocument {
  const found = keys.filter(({ id, name, fingerprint }) => [id, name, fingerprint].includes(which));
  const [first] = found;
  if (first && found.length === 1) return first;
  throw new SallyportError(
    'not_found',
    'There is no registered key with this id, name or fingerprint. The keys: sally ssh-keys list',
  );
}
