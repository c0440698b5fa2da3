/** What a shell is told so that ssh finds the agent. Pure. */
export const envShells = ['sh', 'fish', 'csh', 'powershell'] as const;
export type EnvShell = (typeof envShells)[number];

/** @param shell path of the person's shell, such as /usr/bin/fish */
export function shellOf(shell: string | undefined): EnvShell {
  const name = shell?.split('/').at(-1) ?? '';
  if (name === 'fish') return 'fish';
  if (name === 'csh' || name === 'tcsh') return 'csh';
  return name === 'pwsh' || name === 'powershell' ? 'powershell' : 'sh';
}

/** The path holds no quotes: a home that does is refused (state-paths.ts); of $XDG_RUNTIME_DIR they are escaped. */
export function envText(shell: EnvShell, path: string): string {
  switch (shell) {
    case 'sh':
      return `SSH_AUTH_SOCK=${quoted(path)}; export SSH_AUTH_SOCK;`;
    case 'fish':
      return `set -gx SSH_AUTH_SOCK '${path.replace(/[\\']/g, '\\$&')}';`;
    case 'csh':
      return `setenv SSH_AUTH_SOCK ${quoted(path)};`;
    case 'powershell':
      return `$env:SSH_AUTH_SOCK = '${path.replaceAll("'", "''")}'`;
  }
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
