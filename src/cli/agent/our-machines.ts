import { readFile } from 'node:fs/promises';
import { nowSeconds, type SallyContext } from '../context.ts';
import { hostAuthorities, type KnownMachine, knownMachine } from './known-machines.ts';

/** By the known_hosts of the profile that is active now: renewals replace it, and host CAs change. */
export async function ourMachine(context: SallyContext, hostKey: Buffer): Promise<KnownMachine | undefined> {
  const text = await readFile(context.paths.knownHosts, 'utf8').catch(() => '');
  return knownMachine(hostKey, hostAuthorities(text), nowSeconds(context));
}
