/**
 * Keys in the person's own ssh-agent, where that is wanted: each renewal adds the new certificate with its key, until it ends
 * and not a second longer, and takes the old one out. They may be used from this machine towards ours
 * alone (restrict-destination-v00@openssh.com), so that an agent which is passed on opens nothing from there.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { parseCertificateLine } from '../ssh/parse-certificate.ts';
import { AgentClient } from './agent/agent-client.ts';
import { addCertificateRequest } from './agent/certificate-to-add.ts';
import { hostAuthorities } from './agent/known-machines.ts';
import { numbers } from './agent/messages.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { type CurrentPair, keyFile } from './current-pair.ts';
import { readProfileSettings } from './profiles/profile-settings.ts';
import { runQuietly } from './run-quietly.ts';
import { hostSuffix } from './ssh-config-text.ts';

/** What OpenSSH's agent takes of one key (AGENT_MAX_DEST_CONSTRAINTS), less some room. */
const mostDestinations = 1000;

/** The agent that keys are added to; undefined: none. */
export async function chosenAgent({ paths, machine }: SallyContext): Promise<string | undefined> {
  if (machine) return undefined;
  const { agent } = await readProfileSettings(paths).catch(() => ({ agent: null }));
  return agent ?? undefined;
}

/** Agents in which keys of ours may be. */
export async function agentsWithKeys(context: SallyContext): Promise<string[]> {
  const own = context.environment.forPrograms?.['SSH_AUTH_SOCK'];
  const chosen = await chosenAgent(context);
  return [...new Set([own, chosen].filter((socket) => socket !== undefined && socket !== ''))] as string[];
}

/** After a renewal. What fails is no reason to be without a certificate. */
export async function addRenewed(context: SallyContext, pair: CurrentPair): Promise<void> {
  const socket = await chosenAgent(context);
  if (socket === undefined) return;
  try {
    await addToAgent(context, pair, socket);
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    context.debug.say(`ssh-agent: ${error.message}`);
  }
}

/**
 * @returns false: there is no host of ours yet that it could be good for
 * @throws unavailable: the agent did not take it, or not with its limits; then it holds nothing of ours
 */
export async function addToAgent(context: SallyContext, pair: CurrentPair, socket: string): Promise<boolean> {
  const { paths } = context;
  const destinations = await destinationsOf(context);
  const seconds = pair.endsHere - nowSeconds(context);
  if (seconds <= 0 || destinations.length === 0) return false;
  const folder = join(paths.pairs, pair.id);
  const { blob } = parseCertificateLine(await readFile(pair.certificatePath, 'utf8'));
  const request = addCertificateRequest({
    keyFile: await readFile(join(folder, keyFile), 'utf8'),
    certificate: blob,
    comment: pair.principals[0] ?? '',
    seconds,
    destinations,
    authorities: hostAuthorities(await readFile(paths.knownHosts, 'utf8')),
  });
  const isTaken = await askAgent(socket, request);
  const others = (await readdir(paths.pairs)).filter((name) => name !== pair.id && !name.startsWith('.'));
  await takeOut(
    context,
    others.map((name) => join(paths.pairs, name, keyFile)),
    socket,
  );
  if (isTaken) return true;
  throw new SallyportError(
    'unavailable',
    'Your ssh-agent did not take the certificate with its limits, which ssh-agent of OpenSSH 8.9 or later does. Nothing was added.',
  );
}

async function askAgent(socket: string, request: Buffer): Promise<boolean> {
  const client = await AgentClient.open(socket);
  try {
    return (await client.ask(request))[0] === numbers.success;
  } finally {
    client.close();
  }
}

/** The certificate beside each key goes along; a key that the agent does not hold changes nothing. */
export async function takeOut(context: SallyContext, keys: readonly string[], socket: string): Promise<void> {
  const ours = [];
  for (const key of keys) {
    // Beside a certificate for a key of the person's own agent there is only its public half: that key stays where it is.
    const text = await readFile(key, 'latin1').catch(() => '');
    if (text.startsWith('-----BEGIN')) ours.push(key);
  }
  if (ours.length > 0) await runQuietly(context, 'ssh-add', ['-q', '-d', ...ours], socket);
}

/** Names that our hosts' certificates have, gateways first. */
async function destinationsOf({ paths }: SallyContext): Promise<string[]> {
  const text = await readFile(paths.hosts, 'utf8').catch(() => '');
  const names = [...text.matchAll(/^ {2}HostKeyAlias ([a-z0-9.-]+)$/gm)].map(([, name = '']) => name);
  return [...new Set(names)].filter((name) => name.endsWith(`.${hostSuffix}`)).slice(0, mostDestinations);
}
