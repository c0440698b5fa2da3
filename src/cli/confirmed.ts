import { SallyportError } from '../errors/sallyport-error.ts';
import type { SallyContext } from './context.ts';

/** @throws settings_invalid unless the person says yes */
export async function confirmed(
  { ask }: SallyContext,
  question: string,
  otherwise = 'Nothing was ended.',
): Promise<void> {
  if (!ask) {
    throw new SallyportError(
      'settings_invalid',
      'There is no terminal to ask on. To go ahead without a question: --yes',
    );
  }
  const answer = await ask(`${question} [y/N] `);
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new SallyportError('settings_invalid', otherwise);
}
