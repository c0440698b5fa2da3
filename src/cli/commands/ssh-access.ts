/** `sally ssh-access`: the switches of SSH; organization, project, environment and app must all be on. */
import { z } from 'zod';
import { explainReply } from '../../api/explain.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { isSlug } from '../../ssh/names.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printable } from '../printable.ts';
import { findTarget } from '../reach/find-target.ts';
import { seenTargets } from '../reach/seen-targets.ts';
import { readSessionFacts } from '../session-file.ts';
import { callSignedIn } from '../signed-in.ts';
import { factLines } from '../terminal.ts';
import { type SwitchOptions, switchSsh } from './admin-switch.ts';

export async function sshAccessSwitch(
  context: SallyContext,
  state: 'on' | 'off',
  place: string | undefined,
  options: SwitchOptions,
): Promise<ExitName> {
  return await switchSsh(context, state, place, options);
}

/** @param name a target, or with slashes a place, whose switches only admins see */
export async function sshAccessShow(
  context: SallyContext,
  name: string | undefined,
  { json }: { readonly json?: boolean },
): Promise<ExitName> {
  const access = name?.includes('/') ? await ofPlace(context, name) : await ofTarget(context, name);
  const { terminal } = context;
  const isOn = access.off === null;
  if (json) terminal.print(JSON.stringify({ ssh_enabled: isOn, ...access }, null, 2));
  else for (const line of lines(context, access)) terminal.print(line);
  return isOn ? 'done' : 'refused';
}

interface Level {
  readonly level: 'organization' | 'project' | 'environment' | 'app';
  readonly name: string;
  readonly ssh_enabled: boolean;
}

interface Access {
  readonly name: string;
  /** What a refused connection says too; null: no level is off. */
  readonly off: string | null;
  /** The role that the app asks of who connects; null: not told. */
  readonly ssh_role: string | null;
  /** Each level; empty for those who may not see the switches. */
  readonly levels: readonly Level[];
  /** Why one would be refused all the same. */
  readonly others: readonly string[];
}

function lines({ terminal }: SallyContext, access: Access): string[] {
  const { name, off, levels, others, ssh_role } = access;
  const head =
    off === null
      ? `SSH to ${name} is ${terminal.good('on')} at every level.`
      : `SSH to ${name} is ${terminal.bad('off')}: ${printable(off)}`;
  const facts = levels.map(
    ({ level, name: which, ssh_enabled }) =>
      [level, `${printable(which)}: ${ssh_enabled ? 'on' : 'off'}`] as const,
  );
  const role = ssh_role === null ? [] : [['role needed', printable(ssh_role)] as const];
  return [
    head,
    ...(facts.length > 0 ? factLines([...facts, ...role]).map((line) => `  ${line}`) : []),
    ...others.map((message) => `Refused all the same: ${printable(message)}`),
  ];
}

async function ofTarget(context: SallyContext, name: string | undefined): Promise<Access> {
  const seen = await seenTargets(context);
  const target = await findTarget(context, seen, { name, any: true });
  const { reasons } = await callSignedIn(context, {
    method: 'GET',
    path: `/v1/explain?${new URLSearchParams({ target: target.name })}`,
    reply: explainReply,
  });
  const off = reasons.find(({ code }) => code === 'ssh_disabled')?.message ?? null;
  const others = reasons.filter(({ code }) => code !== 'ssh_disabled').map(({ message }) => message);
  const session = await readSessionFacts(context);
  const place = [target.project, target.environment, target.app];
  const found = session?.role === 'admin' ? await levelsOf(context, place) : undefined;
  return { name: target.name, off, ssh_role: null, levels: [], ...found, others };
}

async function ofPlace(context: SallyContext, place: string): Promise<Access> {
  const slugs = place.split('/');
  if (slugs.length > 3 || !slugs.every(isSlug)) {
    throw new SallyportError(
      'name_refused',
      'A place is PROJECT/ENVIRONMENT or PROJECT/ENVIRONMENT/APP, such as shop/production.',
    );
  }
  const found = await levelsOf(context, slugs);
  const first = found.levels.find(({ ssh_enabled }) => !ssh_enabled);
  const off = first ? `SSH is switched off for the ${first.level} ${first.name}.` : null;
  return { name: place, off, others: [], ...found };
}

const switched = z.object({ slug: z.string().optional(), ssh_enabled: z.boolean() });
const app = switched.extend({ ssh_role: z.string() });

async function levelsOf(
  context: SallyContext,
  slugs: readonly string[],
): Promise<Pick<Access, 'levels' | 'ssh_role'>> {
  const asked = async <Reply>(path: string, reply: z.ZodType<Reply>) =>
    await callSignedIn(context, { method: 'GET', path: `/v1/inventory/${path}`, reply });
  const organization = await asked('organization', switched);
  const levels: Level[] = [
    { level: 'organization', name: organization.slug ?? '', ssh_enabled: organization.ssh_enabled },
  ];
  let ssh_role: string | null = null;
  for (const [at, name] of slugs.entries()) {
    const level = (['project', 'environment', 'app'] as const)[at] ?? 'app';
    const path = `${level}s/${slugs.slice(0, at + 1).join('.')}`;
    if (level === 'app') {
      const found = await asked(path, app);
      ssh_role = found.ssh_role;
      levels.push({ level, name, ssh_enabled: found.ssh_enabled });
    } else levels.push({ level, name, ssh_enabled: (await asked(path, switched)).ssh_enabled });
  }
  return { levels, ssh_role };
}
