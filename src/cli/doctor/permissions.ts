/** Who may read and change what ssh and sally go by: facts in, findings out. Pure. */
import { type Finding, ok, type Repair } from './finding.ts';

export type PlaceKind = 'parent' | 'home' | 'ssh-folder' | 'config' | 'key' | 'own-folder' | 'own-file';

export interface PlaceFacts {
  readonly path: string;
  readonly kind: PlaceKind;
  readonly uid: number;
  /** Permission bits with sticky; of a file with an access list the group's bits are its mask (acl(5)). */
  readonly mode: number;
  readonly isLink: boolean;
}

interface Rule {
  /** Bits that are trouble. */
  readonly forbidden: number;
  /** Bits that would better not be there. */
  readonly unwanted?: number;
  readonly means: string;
}

const rules: Readonly<Record<Exclude<PlaceKind, 'parent'>, Rule>> = {
  home: { forbidden: 0o022, means: 'others can put another .ssh in it, and sshd refuses its keys' },
  'ssh-folder': { forbidden: 0o022, unwanted: 0o055, means: 'others can change or see what is in it' },
  config: {
    forbidden: 0o022,
    unwanted: 0o044,
    means: 'ssh refuses a config that others may write, and others need not read it',
  },
  key: { forbidden: 0o077, means: 'ssh does not use a key that others may read' },
  'own-folder': { forbidden: 0o077, means: 'others can see or change what your login is made of' },
  'own-file': { forbidden: 0o077, means: 'others can read or change what your login is made of' },
};

const sticky = 0o1000;

/** @param ownUid undefined where the system has no such numbers */
export function judgePermissions(places: readonly PlaceFacts[], ownUid: number | undefined): Finding[] {
  if (ownUid === undefined) {
    return [
      { ...ok('permissions', 'not looked at: this system has access lists instead'), outcome: 'unknown' },
    ];
  }
  const found = places.flatMap((place) => judged(place, ownUid) ?? []);
  return found.length > 0 ? found : [ok('permissions', 'home, ~/.ssh, config and keys are yours alone')];
}

function judged(place: PlaceFacts, ownUid: number): Finding | undefined {
  const { kind, path, mode } = place;
  if (kind === 'parent') return judgedParent(place, ownUid);
  if (place.isLink) {
    return {
      check: 'permissions',
      outcome: 'problem',
      says: `${path} is a symbolic link. sally does not follow it: whoever may change the link changes what you log in with.`,
      fix: `Put the folder or file itself there: ls -ld ${path}`,
    };
  }
  if (place.uid !== ownUid) {
    return {
      check: 'permissions',
      outcome: 'problem',
      says: `${path} belongs to another user (uid ${place.uid}): ssh refuses it, and they can change it.`,
      fix: `sudo chown ${ownUid} ${path}`,
    };
  }
  const { forbidden, unwanted = 0, means } = rules[kind];
  const outcome = (mode & forbidden) !== 0 ? 'problem' : (mode & unwanted) !== 0 ? 'warning' : undefined;
  if (!outcome) return undefined;
  const better = mode & 0o777 & ~(forbidden | unwanted);
  const repair: Repair = { kind: 'mode', path, mode: better };
  return {
    check: 'permissions',
    outcome,
    says: `${path} has mode ${octal(mode)}: ${means}.`,
    fix: `chmod ${octal(better)} ${path}`,
    repair,
  };
}

/** Whoever may write to a folder above may put another home in the place of this one. */
function judgedParent({ path, uid, mode, isLink }: PlaceFacts, ownUid: number): Finding | undefined {
  const isOpen = (mode & 0o022) !== 0 && (mode & sticky) === 0;
  if (isLink || (!isOpen && (uid === 0 || uid === ownUid))) return undefined;
  return {
    check: 'permissions',
    outcome: 'warning',
    says: isOpen
      ? `${path}, above your home, has mode ${octal(mode)}: others can put another home in the place of yours.`
      : `${path}, above your home, belongs to another user (uid ${uid}), who can put another home in its place.`,
    fix: isOpen
      ? `Ask who runs this machine for: chmod go-w ${path}`
      : `Ask who runs this machine: ls -ld ${path}`,
  };
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(3, '0');
}
