/** Whether an identity provider can be used: its metadata is read now, as a login would. */
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import type { AppParts } from './app-parts.ts';

/** @throws not_found for one that is switched off, or of another organization */
export async function testProvider(
  { providers }: Pick<AppParts, 'providers'>,
  { organization }: { readonly organization: string },
  slug: string,
): Promise<{ ok: boolean; message: string }> {
  const provider = await providers.get(slug).catch((error: unknown) => {
    if (isSallyportError(error) && error.code === 'not_found') return undefined;
    throw error;
  });
  // In the same words, or one would learn what others have.
  if (provider?.organizationSlug !== organization) {
    throw new SallyportError('not_found', 'There is no such identity provider here.');
  }
  try {
    await provider.discover();
    return { ok: true, message: `${provider.issuer} answers, and its metadata can be used.` };
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    return { ok: false, message: error.message };
  }
}
