/** The browser's half of the passkey ceremonies, as its package ships it for pages without a bundler. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Asset, scriptAsset } from '../pages/assets.ts';

export function webauthnScript(): Asset {
  const entry = createRequire(import.meta.url).resolve('@simplewebauthn/browser');
  const bundle = new URL('../dist/bundle/index.umd.min.js', `file://${entry}`);
  return scriptAsset('webauthn', readFileSync(bundle, 'utf8'));
}
