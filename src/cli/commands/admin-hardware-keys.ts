/** `sally admin hardware-keys`: what the organization asks of people's keys, a part of its login policy. */
import { createHash, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { loginPolicy } from '../../api/login-policy.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { confirmed } from '../confirmed.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printable } from '../printable.ts';
import { readBytes } from '../read-bytes.ts';
import { callSignedIn } from '../signed-in.ts';
import { factLines, terminalColumns } from '../terminal.ts';

const path = '/v1/organization/login-policy';
const { hardware_keys, hardware_attestation, hardware_models, hardware_authorities } = loginPolicy.shape;
/** The other members are none of its business. */
const ofKeys = z.object({ hardware_keys, hardware_attestation, hardware_models, hardware_authorities });

type OfKeys = z.infer<typeof ofKeys>;

export interface HardwareKeysOptions {
  readonly attestation?: OfKeys['hardware_attestation'];
  /** PEM files; they replace those of before. */
  readonly authority?: readonly string[];
  /** AAGUIDs; they replace those of before. */
  readonly model?: readonly string[];
  readonly anyModel?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export async function hardwareKeysShow(
  context: SallyContext,
  { json }: Pick<HardwareKeysOptions, 'json'>,
): Promise<ExitName> {
  return print(context, await callSignedIn(context, { method: 'GET', path, reply: ofKeys }), json);
}

/** What is not named stays as it is. */
export async function hardwareKeysSet(
  context: SallyContext,
  keys: OfKeys['hardware_keys'] | undefined,
  options: HardwareKeysOptions,
): Promise<ExitName> {
  const { attestation, authority, model, anyModel, yes, json } = options;
  if (model && anyModel) {
    throw new SallyportError('settings_invalid', '--model and --any-model exclude each other.');
  }
  const body = {
    ...(keys && { hardware_keys: keys }),
    ...(attestation && { hardware_attestation: attestation }),
    ...(authority && { hardware_authorities: await pemOf(context, authority) }),
    ...((model || anyModel) && { hardware_models: model ?? null }),
  };
  if (Object.keys(body).length === 0) {
    throw new SallyportError(
      'settings_invalid',
      'Say what to change: sally admin hardware-keys set required. For all of it: sally admin hardware-keys set --help',
    );
  }
  if (keys !== 'off' && !yes) {
    const question = 'Whose key does not do gets no certificate from the next renewal on. Change it?';
    await confirmed(context, question, 'Nothing was changed.');
  }
  return print(context, await callSignedIn(context, { method: 'POST', path, body, reply: ofKeys }), json);
}

/** Each certificate by itself; whether it is an authority's the server says. */
async function pemOf(context: SallyContext, files: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) {
    const limit = { most: 1_000_000, why: 'which no certificate is', what: 'a certificate' };
    const text = (await readBytes(context, file, limit)).toString('latin1');
    const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
    if (certificates.length === 0) {
      throw new SallyportError('file_refused', `${printable(file)} holds no certificate in PEM.`);
    }
    found.push(...certificates);
  }
  return found;
}

function print(context: SallyContext, policy: OfKeys, json: boolean | undefined): ExitName {
  const { terminal, environment } = context;
  if (json) {
    terminal.print(JSON.stringify(policy, null, 2));
    return 'done';
  }
  const attestation = policy.hardware_attestation === 'required' ? "the maker's word is asked for" : 'off';
  const facts = factLines(
    [
      ['Keys', meanings[policy.hardware_keys]],
      ['Attestation', attestation],
      ['Models', policy.hardware_models?.join(', ') ?? 'any'],
      ['Authorities', policy.hardware_authorities.length === 0 ? 'none' : ''],
    ],
    terminalColumns(environment),
  );
  for (const line of facts) terminal.print(line.trimEnd());
  for (const pem of policy.hardware_authorities) terminal.print(`  ${authorityText(pem)}`);
  return 'done';
}

const meanings: Readonly<Record<OfKeys['hardware_keys'], string>> = {
  off: 'off: any key will do',
  required: 'required: in security keys only',
  verified: 'verified: in security keys that ask for a PIN or a finger',
};

function authorityText(pem: string): string {
  const { subject, raw, validTo } = new X509Certificate(pem);
  const digest = createHash('sha256').update(raw).digest('hex').slice(0, 16);
  return `${printable(subject.split('\n').join(', '))}, until ${validTo} (SHA-256 ${digest}...)`;
}
