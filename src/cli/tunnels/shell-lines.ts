/** Variables as a shell takes them, for eval. Whatever a value holds, it is one word and nothing else. Pure. */

export const shells = ['sh', 'fish', 'csh', 'powershell'] as const;
export type Shell = (typeof shells)[number];

export interface Variable {
  readonly name: string;
  readonly value: string;
}

export function shellLines(shell: Shell, variables: readonly Variable[]): string[] {
  return variables.map(({ name, value }) => {
    if (!/^[A-Z][A-Z0-9_]*$/.test(name)) throw new TypeError(`${name} is no name of a variable`);
    return lines[shell](name, oneLine(value));
  });
}

const lines: Readonly<Record<Shell, (name: string, value: string) => string>> = {
  // POSIX Shell Command Language, section 2.2.2.
  sh: (name, value) => `export ${name}='${value.replaceAll("'", "'\\''")}';`,
  // fish reads \\ and \' inside single quotes.
  fish: (name, value) => `set -gx ${name} '${value.replace(/[\\']/g, '\\$&')}';`,
  // csh expands history even inside single quotes.
  csh: (name, value) => `setenv ${name} '${value.replaceAll("'", "'\\''").replaceAll('!', '\\!')}';`,
  // PowerShell takes the typographic quotes for the plain one (about_Quoting_Rules).
  powershell: (name, value) => `$env:${name} = '${value.replace(/['\u2018\u2019\u201a\u201b]/g, '$&$&')}';`,
};

/** eval joins lines in one shell and ends commands by them in another; a URL or base64 has none. */
function oneLine(value: string): string {
  return value.replace(/\p{Cc}/gu, '');
}
