/** GET and POST /v1/organization/login-policy, and the setup file's `login_policy`. */
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';

/** RFC 8176 section 2. */
export const methodNames = [
  'face',
  'fpt',
  'geo',
  'hwk',
  'iris',
  'kba',
  'mca',
  'mfa',
  'otp',
  'pin',
  'pwd',
  'rba',
  'retina',
  'sc',
  'sms',
  'swk',
  'tel',
  'user',
  'vbm',
  'wia',
] as const;

const days30 = 2_592_000;
const sessionSeconds = z.int().min(300, 'is less than five minutes').max(days30, 'is more than 30 days');

const connectionSeconds = z.int().min(60, 'is less than a minute').max(days30, 'is more than 30 days');

function distinct<Item extends z.ZodType<string>>(item: Item) {
  return z
    .array(item)
    .min(1, 'is empty; write null for any')
    .max(50)
    .refine((items) => new Set(items).size === items.length, 'names one twice');
}

/** The certificate of an authority as OpenSSL writes it, so that two of the same are equal texts. */
function authorityPem(text: string, context: z.RefinementCtx): string {
  try {
    const certificate = new X509Certificate(text);
    if (certificate.ca) return certificate.toString();
    context.addIssue({ code: 'custom', message: "is no authority's certificate (CA:TRUE)" });
  } catch {
    context.addIssue({ code: 'custom', message: 'is not a certificate in PEM' });
  }
  return z.NEVER;
}

export const loginPolicy = z.strictObject({
  mfa_required: z.boolean(),
  mfa_sources: distinct(z.enum(['provider', 'passkey'])),
  mfa_methods: distinct(z.enum(methodNames)).nullable(),
  mfa_max_age_seconds: z.int().min(60).max(days30).nullable(),
  /** AAGUIDs, as FIDO metadata writes them. */
  passkey_models: distinct(z.uuid().transform((id) => id.toLowerCase())).nullable(),
  session_max_seconds: sessionSeconds,
  session_idle_seconds: sessionSeconds.nullable(),
  outage_grace_seconds: z.int().min(0).max(days30),
  device_login: z.enum(['off', 'same-network', 'on']),
  ssh_codes: z.boolean(),
  machine_access: z.boolean(),
  /** Whether a certificate is good only from the address that it was asked for from, or from its network. */
  source_pinning: z.enum(['off', 'address', 'network']),
  registered_keys: z.boolean(),
  /** How long a connection may last and how long it may be silent; null: no limit of the organization's. */
  max_connection_seconds: connectionSeconds.nullable(),
  idle_timeout_seconds: connectionSeconds.nullable(),
  /** Whether people get certificates only for keys in security keys; verified: which ask for a PIN or a finger, too. */
  hardware_keys: z.enum(['off', 'required', 'verified']),
  /** Whether the maker must vouch for a security key. */
  hardware_attestation: z.enum(['off', 'required']),
  /** AAGUIDs of the security keys that are accepted where attestation is required. */
  hardware_models: distinct(z.uuid().transform((id) => id.toLowerCase())).nullable(),
  /** Certificates of the makers' authorities, PEM. */
  hardware_authorities: z
    .array(z.string().max(8_192).transform(authorityPem))
    .max(50)
    .refine((items) => new Set(items).size === items.length, 'names one twice'),
});

/** What it names is changed, the rest stays. */
export const loginPolicyChange = loginPolicy.partial();

export type LoginPolicyReply = z.infer<typeof loginPolicy>;
