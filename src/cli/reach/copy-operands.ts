/** Which words of a command line of scp, sftp or rsync name a place at a target. Pure. */

export interface RemoteOperand {
  /** Where it stands in the command line. */
  readonly at: number;
  /** Its login name with the @, or nothing. */
  readonly user: string;
  /** Empty: the app of the folder. */
  readonly name: string;
  /** Behind the name, with its colon; empty for sftp's that names none. */
  readonly path: string;
}

/** Letters of options that take a value as the next word where nothing follows them. */
const lettersWithValue = { scp: 'cDFiJloPSX', sftp: 'BbcDFiJloPRSsX', rsync: 'efTBM@' } as const;
const rsyncWithValue = new Set(
  [
    'rsh exclude include filter files-from exclude-from include-from rsync-path log-file out-format chmod chown',
    'bwlimit timeout contimeout port partial-dir temp-dir suffix backup-dir compare-dest copy-dest link-dest info',
    'debug remote-option block-size max-size min-size max-delete password-file protocol compress-level',
  ]
    .join(' ')
    .split(' ')
    .map((name) => `--${name}`),
);

export type CopyProgram = keyof typeof lettersWithValue;

export function remoteOperands(program: CopyProgram, args: readonly string[]): RemoteOperand[] {
  const found: RemoteOperand[] = [];
  let isOver = false;
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at] ?? '';
    if (!isOver && word === '--') isOver = true;
    else if (!isOver && word.startsWith('-') && word !== '-') at += takesNext(program, word) ? 1 : 0;
    else {
      const operand = remoteOf(program, word);
      if (operand) found.push({ at, ...operand });
    }
  }
  return program === 'sftp' ? found.slice(0, 1) : found;
}

function takesNext(program: CopyProgram, option: string): boolean {
  if (option.startsWith('--')) return program === 'rsync' && rsyncWithValue.has(option);
  const letters = option.slice(1);
  const first = [...letters].findIndex((letter) => lettersWithValue[program].includes(letter));
  return first === letters.length - 1 && first !== -1;
}

function remoteOf(program: CopyProgram, word: string): Omit<RemoteOperand, 'at'> | undefined {
  // rsync's own protocol has two colons; what has a slash before its colon is a file here.
  const [, user = '', name = '', path] = /^([^@/:]+@)?([^@/:]*)(:(?!:).*)$/s.exec(word) ?? [];
  if (path !== undefined) return { user, name, path };
  if (program !== 'sftp' || /[:/]/.test(word)) return undefined;
  const [, login = '', host = ''] = /^([^@]+@)?([^@]+)$/.exec(word) ?? [];
  return host === '' ? undefined : { user: login, name: host, path: '' };
}
