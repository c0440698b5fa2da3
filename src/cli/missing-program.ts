/** What to say where ssh or one of its relatives is not installed. */
import { SallyportError } from '../errors/sallyport-error.ts';

const packages = {
  ssh: {
    linux:
      'apt install openssh-client (Debian, Ubuntu), dnf install openssh-clients (Fedora, RHEL), apk add openssh-client (Alpine), pacman -S openssh (Arch)',
    darwin: 'macOS has it at /usr/bin: look at PATH, or brew install openssh',
    win32: 'in PowerShell as an administrator: Add-WindowsCapability -Online -Name OpenSSH.Client~~~~0.0.1.0',
    other: 'look for OpenSSH in the packages of your system',
  },
  rsync: {
    linux:
      'apt install rsync (Debian, Ubuntu), dnf install rsync (Fedora, RHEL), apk add rsync (Alpine), pacman -S rsync (Arch)',
    darwin: 'macOS has it at /usr/bin: look at PATH, or brew install rsync',
    win32: 'it is part of WSL, MSYS2 and Cygwin, not of Windows; sally scp and sally sftp do without it',
    other: 'look for rsync in the packages of your system',
  },
} as const;

const parts = new Set(['ssh', 'scp', 'sftp', 'ssh-add', 'ssh-keygen', 'ssh-agent']);

/** How to get a program on this system; undefined if it is none that sally knows. */
export function installHint(program: string, platform: string): string | undefined {
  const name = program.split(/[/\\]/).at(-1) ?? program;
  const of = name === 'rsync' ? packages.rsync : parts.has(name) ? packages.ssh : undefined;
  if (!of) return undefined;
  return platform === 'linux' || platform === 'darwin' || platform === 'win32' ? of[platform] : of.other;
}

export function missingProgram(program: string, platform: string): SallyportError {
  const hint = installHint(program, platform) ?? 'Install it, or look at PATH';
  const what = /^(ssh|scp|sftp)/.test(program) ? `${program} of OpenSSH` : program;
  return new SallyportError(
    'program_missing',
    `${what} is not installed here, or not in PATH. To install it: ${hint}.`,
  );
}
