/** What `sallyport dev` can be told. Everything listens on loopback, and the public URL must too. */
import { resolve } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { isLoopback } from '../server/setting-kinds.ts';

export interface DevSettings {
  readonly dataFolder: string;
  readonly publicUrl: URL;
  /** The console's port is the first; identity provider, gateway and target host follow. 0: four free ones. */
  readonly port: number;
}

export interface DevOptions {
  readonly data?: string | undefined;
  readonly port?: string | undefined;
  readonly publicUrl?: string | undefined;
}

const defaultPort = 8420;

/** Checks the options; `root` is where a relative or absent data folder belongs. Throws settings_invalid. */
export function readDevSettings(options: DevOptions, root: string): DevSettings {
  const port = options.port === undefined ? defaultPort : Number(options.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_532) {
    throw new SallyportError(
      'settings_invalid',
      `--port is "${options.port}", expected a number from 1 to 65532.`,
    );
  }
  const publicUrl = parseUrl(options.publicUrl ?? `http://localhost:${port}`);
  if (!isLoopback(publicUrl)) {
    throw new SallyportError(
      'settings_invalid',
      `--public-url is ${publicUrl.origin}, but the demo is for this machine only: expected http://localhost:${port}. For others to use it, run: sallyport serve`,
    );
  }
  return { dataFolder: resolve(root, options.data ?? '.sallyport'), publicUrl, port };
}

function parseUrl(text: string): URL {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new SallyportError(
      'settings_invalid',
      `--public-url is not a URL, expected http://localhost:${defaultPort}.`,
    );
  }
  return new URL(text);
}
