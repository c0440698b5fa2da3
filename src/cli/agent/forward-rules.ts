/** By which machines a forwarded agent may be used, and for logins where: `FROM>TO`, names as in `ssh FROM.sallyport`. */
import { SallyportError } from '../../errors/sallyport-error.ts';
import { isHostName } from '../../ssh/names.ts';
import type { KnownMachine } from './known-machines.ts';

export interface ForwardRule {
  readonly from: string;
  readonly to: string;
}

/** @throws settings_invalid */
export function readForwardRule(text: string): ForwardRule {
  const [from = '', to = '', ...more] = text.split('>');
  if (more.length === 0 && isName(from) && isName(to)) return { from, to };
  throw new SallyportError(
    'settings_invalid',
    "--forward wants FROM>TO with names of machines or targets, such as --forward 'gw>shop-production--db'.",
  );
}

function isName(text: string): boolean {
  return isHostName(text) && !text.includes('.');
}

export function mayForward(
  rules: readonly ForwardRule[],
  from: KnownMachine | undefined,
  to: KnownMachine,
): boolean {
  return rules.some((rule) => from?.names.includes(rule.from) && to.names.includes(rule.to));
}
