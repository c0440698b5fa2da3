/** The browser's half of the passkey ceremonies, as its package ships it for pages without a bundler. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { type Asset, scriptAsset } from '../pages/assets.ts';

const require = createRequire(import.meta.url);

export function webauthnScript(): Asset {
  const entry = require.resolve('@simplewebauthn/browser');
  const bundle = new URL('../dist/bundle/index.umd.min.js', pathToFileURL(entry));
  return scriptAsset('webauthn', readFileSync(bundle, 'utf8'));
}
