/**
 * Which key of a token is meant: a PKCS #11 URI (RFC 7512), as far as it can be honoured. The token is used through an
 * ssh-agent, which tells each key's label and public half and nothing else, so `object` and a fingerprint count; an
 * attribute that nobody could compare is refused instead of ignored. So are paths and PINs: they come from settings.
 */
import { SallyportError } from '../../errors/sallyport-error.ts';
import { isFingerprint } from './agent-signer.ts';

export interface WantedTokenKey {
  /** CKA_LABEL. */
  readonly label: string | undefined;
  readonly fingerprint: string | undefined;
}

/** @param rest what follows `pkcs11:`. @throws settings_invalid */
export function parsePkcs11Uri(rest: string): WantedTokenKey {
  const [path = '', query, ...more] = rest.split('?');
  if (more.length > 0) throw refused('has more than one "?"');
  const attributes = new Map<string, string>();
  const parts = [...split(path, ';'), ...split(query ?? '', '&')];
  for (const part of parts) {
    const [name = '', value, ...others] = part.split('=');
    if (value === undefined || value === '' || others.length > 0)
      throw refused(`has no value for ${show(name)}`);
    if (attributes.has(name)) throw refused(`has ${show(name)} twice`);
    attributes.set(name, decode(value));
  }
  for (const [name, problem] of Object.entries(refusals)) {
    if (attributes.has(name)) throw refused(`has ${name}=: ${problem}`);
  }
  for (const name of attributes.keys()) {
    if (!known.includes(name))
      throw refused(`has ${show(name)}, which can't be compared with what an ssh-agent tells`);
  }
  const type = attributes.get('type') ?? 'private';
  if (type !== 'private') throw refused('must name a private key');
  const label = attributes.get('object');
  const fingerprint = attributes.get('x-fingerprint');
  if (label === undefined && fingerprint === undefined) throw refused('does not say which key');
  if (fingerprint !== undefined && !isFingerprint(fingerprint)) {
    throw refused('has no SHA256 fingerprint in x-fingerprint=');
  }
  return { label, fingerprint };
}

const known: readonly string[] = ['object', 'type', 'x-fingerprint'];

const settingsOnly = 'it may not stand in a URI that is stored';
const refusals: Readonly<Record<string, string>> = {
  'module-path': `${settingsOnly}; set SALLYPORT_PKCS11_MODULE`,
  'module-name': `${settingsOnly}; set SALLYPORT_PKCS11_MODULE`,
  'pin-source': `${settingsOnly}; set SALLYPORT_PKCS11_PIN_FILE`,
  'pin-value': `${settingsOnly}; set SALLYPORT_PKCS11_PIN_FILE`,
};

function split(text: string, separator: string): string[] {
  return text === '' ? [] : text.split(separator);
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw refused('has a broken percent sign');
  }
}

/** As text that harms no terminal. */
function show(name: string): string {
  return JSON.stringify(name.replace(/[^ -~]+/g, '?').slice(0, 40));
}

function refused(problem: string): SallyportError {
  return new SallyportError(
    'settings_invalid',
    `The PKCS #11 URI ${problem}. Expected pkcs11:object=LABEL or pkcs11:?x-fingerprint=SHA256:...`,
  );
}
