/**
 * Programs in place of the keychains' own, for what of them is about arguments, input and output. Each notes what it and
 * its parent show of themselves to everybody on the machine: the arguments and the environment.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const note = `
for p in $$ $PPID; do tr '\\0' '\\n' <"/proc/$p/cmdline"; tr '\\0' '\\n' <"/proc/$p/environ"; done >>"$STAND_IN/shown" 2>/dev/null
echo "$(basename "$0") $*" >>"$STAND_IN/runs"
[ ! -f "$STAND_IN/fails" ] || { cat "$STAND_IN/fails" >&2; exit 1; }
`;

const programs: Readonly<Record<string, string>> = {
  'secret-tool': `
case $1 in
  store) cat >"$STAND_IN/secret" ;;
  lookup) [ -f "$STAND_IN/secret" ] || exit 1; cat "$STAND_IN/secret" ;;
  clear) [ -f "$STAND_IN/secret" ] || exit 1; rm "$STAND_IN/secret" ;;
esac`,
  // As macOS 14 answers, in words and in exit codes.
  security: `
missing() { echo 'security: SecKeychainSearchCopyNext: The specified item could not be found in the keychain.' >&2; exit 44; }
case $1 in
  -i) sed -n 's/^add-generic-password -U -a ".*" -s sallyport -l Sallyport -X \\([0-9a-f]*\\)$/\\1/p' | perl -ne 'chomp; print pack("H*", $_)' >"$STAND_IN/secret" ;;
  find-generic-password) [ -f "$STAND_IN/secret" ] || missing; cat "$STAND_IN/secret"; echo ;;
  delete-generic-password) [ -f "$STAND_IN/secret" ] || missing; rm "$STAND_IN/secret" ;;
esac`,
  // Protects nothing: turned round, so that what lies on disk is not what was given.
  'powershell.exe': `
read -r line
case "$*" in
  *::Protect*) echo "$line" | perl -ne 'chomp; print scalar reverse' ;;
  *::Unprotect*) echo "$line" | perl -ne 'chomp; print scalar reverse' | base64 -d ;;
esac`,
  'ssh-add': '',
  ssh: '',
  systemctl: '',
  browser: '',
};

export interface StandIns {
  readonly environment: NodeJS.ProcessEnv;
  /** The secret that the keychain holds. */
  secret(): string | undefined;
  /** What everybody could have read. */
  shown(): string;
  runs(): string[];
  /** From now on every program fails so. */
  fail(words: string): void;
  work(): void;
}

export function standIns(folder: string): StandIns {
  const bin = join(folder, 'bin');
  const state = join(folder, 'stand-in');
  for (const made of [bin, state]) mkdirSync(made);
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh${note}${text}\n`, { mode: 0o755 });
  }
  const read = (name: string) => {
    try {
      return readFileSync(join(state, name), 'utf8');
    } catch {
      return undefined;
    }
  };
  return {
    environment: { ...process.env, PATH: `${bin}:${process.env['PATH']}`, STAND_IN: state },
    secret: () => read('secret'),
    shown: () => read('shown') ?? '',
    runs: () => (read('runs') ?? '').trim().split('\n'),
    fail: (words) => writeFileSync(join(state, 'fails'), words),
    work: () => rmSync(join(state, 'fails'), { force: true }),
  };
}
