/**
 * The configuration of the sshd that a companion stands beside, as its installation chose it and as the CA's state wants
 * it: the text of our file, and which files sshd reads altogether.
 */
import type { CompanionState } from '../api/companions.ts';
import { type SshdConfigurationOptions, sshdConfiguration } from './sshd-configuration.ts';

export interface SshdFiles {
  readonly sshd: string;
  /** What sshd is started with. */
  readonly main: string;
  /** Ours: a drop-in that `main` includes, or `main` itself. */
  readonly ours: string;
  /** The record of the installation, which must know what stands in `ours`; null: there is none. */
  readonly recordFile: string | null;
  /** All that the state does not say. */
  readonly options: Omit<
    SshdConfigurationOptions,
    'ports' | 'registeredKeys' | 'remoteForwarding' | 'agentForwarding'
  >;
  /** Exceptions that the machine's owner has accepted, in the words of check-drift.ts. */
  readonly accepted: readonly string[];
}

/** What our file must say with this state. */
export function configurationFor(
  { options }: Pick<SshdFiles, 'options'>,
  state: Pick<CompanionState, 'companion' | 'targets' | 'registered_keys'> | undefined,
): string {
  return sshdConfiguration({
    ...options,
    ...(state && portsOf(state).length > 0 ? { ports: portsOf(state) } : {}),
    registeredKeys: (state?.registered_keys.length ?? 0) > 0,
    remoteForwarding: state?.targets.some(({ forwarding }) => forwarding.remote) ?? false,
    agentForwarding: state?.targets.some(({ forwarding }) => forwarding.agent) ?? false,
  });
}

function portsOf({ companion }: Pick<CompanionState, 'companion'>): readonly number[] {
  return companion.ports ?? [];
}
