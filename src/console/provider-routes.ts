/** Identity providers of the organization: setting one up, changing, testing and removing it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { inSnapshot, inTransaction } from '../database/transaction.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import type { BrowserCaller } from '../http/callers.ts';
import { sendPage } from '../http/security-headers.ts';
import { testProvider } from '../http/test-provider.ts';
import { changeProvider, createProvider, ownProvider, removeProvider } from '../login/manage-providers.ts';
import { presetNames } from '../login/presets.ts';
import { providerDocument } from '../login/provider-documents.ts';
import type { StoredProvider } from '../login/provider-store.ts';
import { type ProviderFields, type ProviderView, providerPage } from '../pages/provider-page.ts';
import { requireAdmin } from './admin.ts';
import type { ConsoleParts } from './console-parts.ts';
import { readOwnForm, requireOwnForm } from './form.ts';
import { documentOfForm, emptyFields, fieldsOf, fieldsOfForm, providerForm } from './provider-form.ts';

const listPath = '/console/sign-in-settings';
const path = `${listPath}/providers`;
const newForm = providerForm.extend({ slug: z.string().max(40), issuer: z.string().max(2_048) });
const changeForm = providerForm.extend({ version: z.string().regex(/^[1-9][0-9]{0,8}$/) });
const removeForm = z.strictObject({ sure: z.literal('on') });

type Sluggish = FastifyRequest<{ Params: { slug: string } }>;

export function providerRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { database, sealer, configuredProviders: configured, publicUrl, clock } = parts;
  const managing = { sealer, configured };
  const own = (person: BrowserCaller, slug: string) =>
    inSnapshot(database.db, (tx) => ownProvider(tx, slug, person.organizationId));
  const known = (provider: StoredProvider): ProviderView['known'] => {
    const { redirect_uri, back_channel_logout_uri } = providerDocument(provider, publicUrl);
    return {
      version: provider.version,
      redirectUri: redirect_uri,
      backChannelLogoutUri: back_channel_logout_uri,
    };
  };

  app.get(
    path,
    { config: { auth: 'browser', stepUp: true, purpose: 'page: a new identity provider' } },
    async (request, reply) => show(reply, requireAdmin(request), { fields: emptyFields, known: null }),
  );

  app.post(
    path,
    { config: { auth: 'browser', stepUp: true, purpose: 'sets up an identity provider' } },
    async (request, reply) => {
      const person = requireAdmin(request);
      const { slug, issuer, ...form } = readOwnForm(request, newForm);
      return await orAgain(
        reply,
        person,
        { fields: fieldsOfForm(form, { slug, issuer }), known: null },
        async () => {
          await inTransaction(database.db, (tx) =>
            createProvider(
              tx,
              managing,
              managerOf(person),
              {
                slug: slug.trim(),
                settings: documentOfForm(form, issuer),
                clientSecret: form.client_secret.trim(),
                enabled: form.enabled !== undefined,
              },
              clock(),
            ),
          );
          return reply.redirect(`${path}/${slug.trim()}`, 303);
        },
      );
    },
  );

  app.get(
    `${path}/:slug`,
    { config: { auth: 'browser', stepUp: true, purpose: 'page: one identity provider' } },
    async (request: Sluggish, reply) => {
      const person = requireAdmin(request);
      const provider = await own(person, request.params.slug);
      return show(reply, person, {
        fields: fieldsOf(provider.slug, provider.settings, provider),
        known: known(provider),
      });
    },
  );

  app.post(
    `${path}/:slug`,
    { config: { auth: 'browser', stepUp: true, purpose: 'changes an identity provider' } },
    async (request: Sluggish, reply) => {
      const person = requireAdmin(request);
      const { version, ...form } = readOwnForm(request, changeForm);
      const before = await own(person, request.params.slug);
      const { slug, settings } = before;
      const { issuer } = settings;
      const shown = { fields: fieldsOfForm(form, { slug, issuer }), known: known(before) };
      return await orAgain(reply, person, shown, async () => {
        const clientSecret = form.client_secret.trim();
        await inTransaction(database.db, (tx) =>
          changeProvider(tx, managing, managerOf(person), {
            slug,
            version: Number(version),
            settings: documentOfForm(form, issuer),
            enabled: form.enabled !== undefined,
            ...(clientSecret === '' ? {} : { clientSecret }),
          }),
        );
        return reply.redirect(`${path}/${slug}`, 303);
      });
    },
  );

  app.post(
    `${path}/:slug/test`,
    { config: { auth: 'browser', stepUp: true, purpose: 'asks an identity provider for its metadata now' } },
    async (request: Sluggish, reply) => {
      requireOwnForm(request);
      const person = requireAdmin(request);
      const provider = await own(person, request.params.slug);
      const shown = { fields: fieldsOf(provider.slug, provider.settings, provider), known: known(provider) };
      return await orAgain(reply, person, shown, async () =>
        show(reply, person, { ...shown, found: await testProvider(parts, person, provider.slug) }),
      );
    },
  );

  app.post(
    `${path}/:slug/remove`,
    { config: { auth: 'browser', stepUp: true, purpose: 'removes an identity provider for good' } },
    async (request: Sluggish, reply) => {
      readOwnForm(request, removeForm);
      const person = requireAdmin(request);
      await inTransaction(database.db, (tx) =>
        removeProvider(tx, managerOf(person), request.params.slug, clock()),
      );
      return reply.redirect(listPath, 303);
    },
  );
}

interface Shown {
  readonly fields: ProviderFields;
  readonly known: ProviderView['known'];
  readonly found?: ProviderView['found'];
}

function show(
  reply: FastifyReply,
  person: BrowserCaller,
  { fields, known, found = null }: Shown,
  problem: string | null = null,
): FastifyReply {
  return sendPage(reply, providerPage({ person, fields, known, found, problem, presets: presetNames }));
}

/** What the person typed is not lost: the form is shown again with what is wrong. */
async function orAgain(
  reply: FastifyReply,
  person: BrowserCaller,
  shown: Shown,
  work: () => Promise<FastifyReply>,
): Promise<FastifyReply> {
  try {
    return await work();
  } catch (error) {
    if (!isSallyportError(error) || error.status >= 500) throw error;
    return show(reply.code(error.status), person, shown, error.message);
  }
}

function managerOf({ organizationId, organization, account: by }: BrowserCaller) {
  return { organizationId, organization, by };
}
