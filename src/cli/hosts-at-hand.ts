/** What the ssh config says now of targets and gateways. */
import { readFile } from 'node:fs/promises';
import type { StatePaths } from './state-paths.ts';

export async function hostsAtHand({ byHand, hosts }: Pick<StatePaths, 'byHand' | 'hosts'>): Promise<string> {
  const texts = [byHand, hosts].map((path) => readFile(path, 'utf8').catch(() => ''));
  return (await Promise.all(texts)).join('\n');
}
