/** Where everything lies, and which home folders can be written into an ssh config at all. */
import { isAbsolute, posix, sep } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface StatePaths {
  readonly home: string;
  /** `~/.ssh` */
  readonly sshFolder: string;
  /** `~/.ssh/config`, the person's own */
  readonly userConfig: string;
  /** The person's config as it was before the first change. */
  readonly backup: string;
  /** `~/.ssh/sallyport`; everything below is ours. */
  readonly folder: string;
  /** Which of the person's profiles this is. */
  readonly profile: string;
  /** The folders of the profiles but for the default one, which lies in `folder` itself. */
  readonly profiles: string;
  /** One word: the active profile, where no config says it (active-profile.ts). */
  readonly activeProfile: string;
  /** What ssh includes: the active profile's `profileConfig`, byte by byte. */
  readonly config: string;
  /** What belongs to one profile, and what follows here up to `ports`. */
  readonly personOwn: string;
  readonly profileConfig: string;
  /** What the person has chosen for the profile (profile-settings.ts). */
  readonly settings: string;
  /** Of that file alone: who is behind a connection is often remembered while the other lock is held. */
  readonly settingsLock: string;
  readonly hosts: string;
  /** Of those the targets at hosts without a companion, which ssh must read before anything else. */
  readonly byHand: string;
  /** The same targets for a machine; read only where one was here. */
  readonly byHandMachine: string;
  readonly knownHosts: string;
  readonly fresh: string;
  /** What ssh runs for targets that want a second factor, and the config that names them. */
  readonly stepUp: string;
  readonly stepUpConfig: string;
  /** What belongs to one login, and what follows here: the profile's folder, or a machine's own. */
  readonly own: string;
  readonly identity: string;
  readonly renewAfter: string;
  /** The process id of a fast path that renews. */
  readonly renewing: string;
  /** The process id of the last ssh in which the fast path said that nothing is left. */
  readonly told: string;
  readonly session: string;
  readonly pending: string;
  readonly pairs: string;
  readonly lock: string;
  /** Answers ssh whether the environment makes this a machine. */
  readonly isMachine: string;
  readonly machineOwn: string;
  /** What ssh reads besides for a machine. */
  readonly asMachine: string;
  /** What a machine's certificate comes from: its own state, apart from that of a person who uses the same home. */
  readonly machineIdentity: string;
  readonly personIdentity: string;
  /** Which of a gateway's ports works where. */
  readonly ports: string;
  /** What ssh runs where the environment names a proxy. */
  readonly proxy: string;
  /** Says ssh to ask our agent; there only where the person wants it. */
  readonly agentConfig: string;
  /** ControlMasters that `sally bastion open` keeps. */
  readonly bastions: string;
}

/**
 * Characters that mean something to ssh_config, to glob(3) or to one of the shells that run the `Match exec` line
 * (sh, fish and csh), even inside quotes. They cannot be written so that all of them agree.
 */
const refused = /["'%\\`$*?[\]!]|\p{C}/u;

/** The profile that is there without a word said. */
export const defaultProfile = 'default';

export function isProfileName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(text);
}

const { join } = posix;

/** @throws settings_invalid */
export function statePaths(
  given: string | undefined,
  who: 'person' | 'machine' = 'person',
  profile: string = defaultProfile,
): StatePaths {
  // Windows takes both slashes, an ssh config only this one.
  const home = sep === '\\' ? given?.replaceAll(sep, '/') : given;
  if (!home) {
    throw new SallyportError(
      'settings_invalid',
      'HOME is not set. Set it to your home folder and try again.',
    );
  }
  if (!isAbsolute(home) || refused.test(home)) {
    throw new SallyportError(
      'settings_invalid',
      'The path of the home folder (HOME) must be absolute and hold no quotes, backslashes, control characters or any of % ` $ * ? [ ] !, because an ssh config cannot name it. Use another home folder: HOME=/path/to/folder sally login',
    );
  }
  if (!isProfileName(profile)) {
    throw new SallyportError(
      'settings_invalid',
      'A profile is named with up to 32 of a-z, 0-9 and - between them, such as work. To see yours: sally profile list',
    );
  }
  const sshFolder = join(home, '.ssh');
  const folder = join(sshFolder, 'sallyport');
  const machine = join(folder, 'machine');
  const profiles = join(folder, 'profiles');
  const personOwn = profile === defaultProfile ? folder : join(profiles, profile);
  const own = who === 'machine' ? machine : personOwn;
  return {
    home,
    sshFolder,
    userConfig: join(sshFolder, 'config'),
    backup: join(sshFolder, 'config.before-sallyport'),
    folder,
    profile,
    profiles,
    activeProfile: join(folder, 'profile'),
    config: join(folder, 'config'),
    personOwn,
    profileConfig: join(personOwn, 'profile.conf'),
    settings: join(personOwn, 'profile.json'),
    settingsLock: join(personOwn, 'profile.lock'),
    hosts: join(personOwn, 'hosts.conf'),
    byHand: join(personOwn, 'by-hand.conf'),
    byHandMachine: join(personOwn, 'by-hand-machine.conf'),
    knownHosts: join(personOwn, 'known_hosts'),
    fresh: join(personOwn, 'fresh'),
    stepUp: join(personOwn, 'step-up'),
    stepUpConfig: join(personOwn, 'step-up.conf'),
    isMachine: join(folder, 'is-machine'),
    machineOwn: machine,
    asMachine: join(folder, 'as-machine.conf'),
    machineIdentity: join(machine, 'identity.conf'),
    personIdentity: join(personOwn, 'identity.conf'),
    ports: join(personOwn, 'ports.json'),
    proxy: join(folder, 'proxy'),
    agentConfig: join(folder, 'agent.conf'),
    bastions: join(folder, 'bastions'),
    own,
    identity: join(own, 'identity.conf'),
    renewing: join(own, 'renewing'),
    told: join(own, 'told'),
    renewAfter: join(own, 'renew-after'),
    session: join(own, 'session.json'),
    pending: join(own, 'pending.json'),
    pairs: join(own, 'pairs'),
    lock: join(own, 'lock'),
  };
}
