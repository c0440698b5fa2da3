/**
 * Names of the person's own for our targets: `Host web` with `HostName shop-production--web.sallyport`. ssh would take the
 * HostName for an address, because our lines, which stand above, are about the name that was typed; so each such name gets
 * the lines of its target. Pure.
 */
import { hostSuffix } from './ssh-config-text.ts';

export interface Alias {
  readonly name: string;
  /** Target name, without our suffix. */
  readonly target: string;
}

/** What ssh_config(5) takes for a name and not for a pattern, and what is no name of ours. */
const plainName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/;

/** The first HostName of each Host block counts, as for ssh. What is included or matched otherwise is not looked at. */
export function aliasesIn(config: string): Alias[] {
  const found = new Map<string, string>();
  let names: readonly string[] = [];
  for (const line of config.split('\n')) {
    const [, keyword = '', rest = ''] = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*?)\s*$/.exec(line) ?? [];
    const words = rest.split(/\s+/).map((word) => word.replace(/^"(.*)"$/, '$1'));
    switch (keyword.toLowerCase()) {
      case 'host':
        names = words.filter((word) => plainName.test(word) && !word.endsWith(`.${hostSuffix}`));
        break;
      case 'match':
        names = [];
        break;
      case 'hostname':
        for (const name of names) if (!found.has(name)) found.set(name, words[0] ?? '');
        break;
      default:
    }
  }
  return [...found].flatMap(([name, host]) =>
    host.endsWith(`.${hostSuffix}`) ? [{ name, target: host.slice(0, -hostSuffix.length - 1) }] : [],
  );
}
