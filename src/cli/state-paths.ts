/** Where everything lies, and which home folders can be written into an ssh config at all. */
import { isAbsolute, join } from 'node:path';
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
  readonly config: string;
  readonly hosts: string;
  readonly knownHosts: string;
  readonly fresh: string;
  /** What belongs to one login, and what follows here; a machine's lies one folder deeper. */
  readonly own: string;
  readonly identity: string;
  readonly renewAfter: string;
  /** The process id of a fast path that renews. */
  readonly renewing: string;
  readonly session: string;
  readonly pending: string;
  readonly pairs: string;
  readonly lock: string;
  /** Answers ssh whether the environment makes this a machine. */
  readonly isMachine: string;
  /** What a machine's certificate comes from: its own state, apart from that of a person who uses the same home. */
  readonly machineIdentity: string;
  readonly personIdentity: string;
  /** Which of a gateway's ports works where. */
  readonly ports: string;
  /** What ssh runs where the environment names a proxy. */
  readonly proxy: string;
  /** ControlMasters that `sally bastion open` keeps. */
  readonly bastions: string;
}

/**
 * Characters that mean something to ssh_config, to glob(3) or to one of the shells that run the `Match exec` line
 * (sh, fish and csh), even inside quotes. They cannot be written so that all of them agree.
 */
const refused = /["'%\\`$*?[\]!]|\p{C}/u;

export function statePaths(home: string | undefined, who: 'person' | 'machine' = 'person'): StatePaths {
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
  const sshFolder = join(home, '.ssh');
  const folder = join(sshFolder, 'sallyport');
  const machine = join(folder, 'machine');
  const own = who === 'machine' ? machine : folder;
  return {
    home,
    sshFolder,
    userConfig: join(sshFolder, 'config'),
    backup: join(sshFolder, 'config.before-sallyport'),
    folder,
    config: join(folder, 'config'),
    hosts: join(folder, 'hosts.conf'),
    knownHosts: join(folder, 'known_hosts'),
    fresh: join(folder, 'fresh'),
    isMachine: join(folder, 'is-machine'),
    machineIdentity: join(machine, 'identity.conf'),
    personIdentity: join(folder, 'identity.conf'),
    ports: join(folder, 'ports.json'),
    proxy: join(folder, 'proxy'),
    bastions: join(folder, 'bastions'),
    own,
    identity: join(own, 'identity.conf'),
    renewing: join(own, 'renewing'),
    renewAfter: join(own, 'renew-after'),
    session: join(own, 'session.json'),
    pending: join(own, 'pending.json'),
    pairs: join(own, 'pairs'),
    lock: join(own, 'lock'),
  };
}
