import { SallyportError } from '../../errors/sallyport-error.ts';

/** A package that only one kind of signer needs. @throws settings_invalid with the command that installs it */
export async function loadOptional<T>(load: () => Promise<T>, name: string, service: string): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new SallyportError(
      'settings_invalid',
      `${service} needs the package ${name}, which is not installed. Run: npm install ${name}`,
    );
  }
}
