/** Files that pages refer to. A path holds the hash of its content, so browsers may keep it for ever. */
import { createHash } from 'node:crypto';
import { copyScript } from './copy-script.ts';
import { passkeyScript } from './passkey-script.ts';
import { refreshScript } from './refresh-script.ts';
import { stylesheet } from './stylesheet.ts';

export interface Asset {
  /** Path on every origin that serves these pages. */
  readonly path: string;
  readonly contentType: string;
  readonly text: string;
}

export const stylesheetAsset = asset('sallyport', 'css', 'text/css; charset=utf-8', stylesheet);
export const refreshScriptAsset = asset('refresh', 'js', 'text/javascript; charset=utf-8', refreshScript);
export const passkeyScriptAsset = scriptAsset('passkey', passkeyScript);
export const copyScriptAsset = scriptAsset('copy', copyScript);
export const assets: readonly Asset[] = [
  stylesheetAsset,
  refreshScriptAsset,
  passkeyScriptAsset,
  copyScriptAsset,
];

/**
 * Content-Security-Policy of every page: nothing inline, nothing from elsewhere. `formTargets` are origins that a form's
 * reply may redirect to (browsers apply form-action along redirects).
 */
export function contentSecurityPolicy(formTargets: readonly string[] = []): string {
  return [
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "connect-src 'self'",
    `form-action ${["'self'", ...formTargets].join(' ')}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** A script that comes from elsewhere, such as a package. */
export function scriptAsset(name: string, text: string): Asset {
  return asset(name, 'js', 'text/javascript; charset=utf-8', text);
}

function asset(name: string, extension: string, contentType: string, text: string): Asset {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return { path: `/assets/${name}-${hash}.${extension}`, contentType, text };
}
