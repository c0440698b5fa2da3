/** `sally admin switch`: closes or opens SSH to a place and to everything below it, at once. */
import { z } from 'zod';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { isSlug } from '../../ssh/names.ts';
import { confirmed } from '../confirmed.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { callSignedIn } from '../signed-in.ts';

export interface SwitchOptions {
  readonly organization?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

const switched = z.object({ ssh_enabled: z.boolean() });

/** @param place `project`, `project/environment` or `project/environment/app` */
export async function switchSsh(
  context: SallyContext,
  state: string,
  place: string | undefined,
  { organization, yes, json }: SwitchOptions,
): Promise<ExitName> {
  if (state !== 'on' && state !== 'off') {
    throw new SallyportError('settings_invalid', 'Say on or off: sally admin switch off shop/production');
  }
  if ((place === undefined) === !organization) {
    throw new SallyportError(
      'settings_invalid',
      'Say where: PROJECT, PROJECT/ENVIRONMENT, PROJECT/ENVIRONMENT/APP, or --organization for everything.',
    );
  }
  const path = pathOf(place);
  const where = place ?? 'everything of your organization';
  if (state === 'off' && !yes) {
    const question = `Close SSH to ${where}, and end the connections there?`;
    await confirmed(context, question, 'Nothing was changed.');
  }
  const reply = await callSignedIn(context, {
    method: 'POST',
    path,
    body: { ssh_enabled: state === 'on' },
    reply: switched,
  });
  const { terminal } = context;
  if (json) terminal.print(JSON.stringify(reply));
  else if (reply.ssh_enabled) {
    terminal.print(`SSH to ${where} is on; a switch above or below it may still be off.`);
  } else terminal.print(`SSH to ${where} is off.`);
  return 'done';
}

function pathOf(place: string | undefined): string {
  if (place === undefined) return '/v1/inventory/organization';
  const slugs = place.split(/[/.]/);
  const words = ['projects', 'environments', 'apps'][slugs.length - 1];
  if (words !== undefined && slugs.every(isSlug)) return `/v1/inventory/${words}/${slugs.join('.')}`;
  throw new SallyportError(
    'name_refused',
    'A place is PROJECT, PROJECT/ENVIRONMENT or PROJECT/ENVIRONMENT/APP, such as shop/production.',
  );
}
