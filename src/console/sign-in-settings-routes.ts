/** Where the organization's people log in and what is asked of them, for its admins. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { type LoginPolicyReply, loginPolicy } from '../api/login-policy.ts';
import { inSnapshot, inTransaction } from '../database/transaction.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { parseInput } from '../http/parse-input.ts';
import { sendPage } from '../http/security-headers.ts';
import { changeLoginPolicy, readLoginPolicy } from '../inventory/login-policy.ts';
import { listProviders } from '../login/provider-documents.ts';
import { loginPolicyPage } from '../pages/login-policy-page.ts';
import { signInSettingsPage } from '../pages/sign-in-settings-page.ts';
import { requireAdmin } from './admin.ts';
import type { ConsoleParts } from './console-parts.ts';
import { readOwnForm } from './form.ts';

const path = '/console/sign-in-settings';
const line = z.string().max(4_096);
const on = z.literal('on').optional();

const policyForm = z.strictObject({
  mfa_required: on,
  mfa_source_provider: on,
  mfa_source_passkey: on,
  mfa_methods: line,
  mfa_max_age_seconds: line,
  passkey_models: line,
  session_max_seconds: line,
  session_idle_seconds: line,
  outage_grace_seconds: line,
  device_login: line,
  ssh_codes: on,
  machine_access: on,
  source_pinning: line,
  registered_keys: on,
  max_connection_seconds: line,
  idle_timeout_seconds: line,
  hardware_keys: line,
  hardware_attestation: on,
  hardware_models: line,
  hardware_authorities: z.string().max(65_536),
});

export function signInSettingsRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { database, configuredProviders, publicUrl, clock } = parts;

  app.get(
    path,
    { config: { auth: 'browser', purpose: 'page: identity providers and login policy' } },
    async (request, reply) => {
      const person = requireAdmin(request);
      const view = await inSnapshot(database.db, async (tx) => ({
        providers: await listProviders(tx, configuredProviders, person, publicUrl),
        policy: loginPolicy.parse(await readLoginPolicy(tx, person.organizationId)),
      }));
      return sendPage(reply, signInSettingsPage({ person, organization: person.organization, ...view }));
    },
  );

  app.get(
    `${path}/policy`,
    { config: { auth: 'browser', stepUp: true, purpose: 'page: what is asked of logins' } },
    async (request, reply) => {
      const person = requireAdmin(request);
      const policy = loginPolicy.parse(await readLoginPolicy(database.db, person.organizationId));
      return sendPage(reply, loginPolicyPage({ person, policy, problem: null }));
    },
  );

  app.post(
    `${path}/policy`,
    { config: { auth: 'browser', stepUp: true, purpose: 'changes what is asked of logins' } },
    async (request, reply) => {
      const person = requireAdmin(request);
      const form = readOwnForm(request, policyForm);
      const { organizationId, account: by } = person;
      try {
        const change = parseInput(loginPolicy, policyOfForm(form), 'body');
        await inTransaction(database.db, (tx) =>
          changeLoginPolicy(tx, { organizationId, change, by }, clock()),
        );
        return reply.redirect(path, 303);
      } catch (error) {
        if (!isSallyportError(error) || error.status >= 500) throw error;
        const policy = loginPolicy.parse(await readLoginPolicy(database.db, organizationId));
        return sendPage(
          reply.code(error.status),
          loginPolicyPage({ person, policy, problem: error.message }),
        );
      }
    },
  );
}

/** An empty field is null; what is no number stays text, which the schema refuses. */
function policyOfForm(form: z.infer<typeof policyForm>): Record<keyof LoginPolicyReply, unknown> {
  const sources = { provider: form.mfa_source_provider, passkey: form.mfa_source_passkey };
  return {
    mfa_required: form.mfa_required !== undefined,
    mfa_sources: Object.entries(sources).flatMap(([source, checked]) =>
      checked === undefined ? [] : [source],
    ),
    mfa_methods: wordsOf(form.mfa_methods),
    mfa_max_age_seconds: numberOf(form.mfa_max_age_seconds),
    passkey_models: wordsOf(form.passkey_models),
    session_max_seconds: numberOf(form.session_max_seconds),
    session_idle_seconds: numberOf(form.session_idle_seconds),
    outage_grace_seconds: numberOf(form.outage_grace_seconds),
    device_login: form.device_login,
    ssh_codes: form.ssh_codes !== undefined,
    machine_access: form.machine_access !== undefined,
    source_pinning: form.source_pinning,
    registered_keys: form.registered_keys !== undefined,
    max_connection_seconds: numberOf(form.max_connection_seconds),
    idle_timeout_seconds: numberOf(form.idle_timeout_seconds),
    hardware_keys: form.hardware_keys,
    hardware_attestation: form.hardware_attestation === undefined ? 'off' : 'required',
    hardware_models: wordsOf(form.hardware_models),
    hardware_authorities: certificatesOf(form.hardware_authorities),
  };
}

function wordsOf(text: string): string[] | null {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  return words.length > 0 ? words : null;
}

/** PEM blocks, one after the other; what is between or after them is a block of its own, which the schema refuses. */
function certificatesOf(text: string): string[] {
  const blocks = text.split(/(?<=-----END CERTIFICATE-----)/).map((block) => block.trim());
  return blocks.filter((block) => block !== '');
}

function numberOf(text: string): number | string | null {
  const trimmed = text.trim();
  if (trimmed === '') return null;
  return /^[0-9]{1,9}$/.test(trimmed) ? Number(trimmed) : trimmed;
}
