/** What somebody names who calls the menu with a command (`ssh -t ssh@gateway <target>`), pure. Looked up, as all names. */
import type { MenuTarget } from './menu-targets.ts';

export type Asked =
  | { readonly kind: 'nothing' }
  /** A target that the person may see: its name, its alias, or its app's name where it is the only instance. */
  | { readonly kind: 'target'; readonly target: MenuTarget }
  /** An app with several instances. */
  | {
      readonly kind: 'app';
      readonly name: string;
      readonly instances: readonly [MenuTarget, ...MenuTarget[]];
    }
  | { readonly kind: 'unknown' };

export function readAsked(command: string, targets: readonly MenuTarget[]): Asked {
  const asked = command.trim();
  if (asked === '') return { kind: 'nothing' };
  const target = targets.find(({ name, id }) => name === asked || id === asked);
  if (target) return { kind: 'target', target };
  const [first, ...others] = targets.filter(
    ({ project, environment, app }) => `${project}-${environment}--${app}` === asked,
  );
  if (first === undefined) return { kind: 'unknown' };
  return others.length === 0
    ? { kind: 'target', target: first }
    : { kind: 'app', name: asked, instances: [first, ...others] };
}
