/** What the console is put together from. */
import type { AppParts } from '../http/app-parts.ts';

export type ConsoleParts = Pick<
  AppParts,
  | 'database'
  | 'feed'
  | 'publicUrl'
  | 'clock'
  | 'providers'
  | 'configuredProviders'
  | 'loginFlow'
  | 'loginHandlers'
  | 'sealer'
>;
