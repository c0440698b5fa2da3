/** What a companion needs to be told. */
import type { CodePaths } from './code-paths.ts';
import type { Enrolment } from './enrolment.ts';
import type { FeedClientOptions } from './feed-client.ts';
import type { LeaseHook } from './lease-hook.ts';
import type { Log } from './log.ts';
import type { CompanionPaths } from './paths.ts';
import type { Programs } from './programs.ts';
import type { SshdFiles } from './sshd-files.ts';
import type { NamesToWrite } from './state-installer.ts';
import type { WhenStale } from './trusted-age.ts';

export interface CompanionOptions {
  readonly paths: CompanionPaths;
  readonly enrolment: Enrolment;
  readonly programs: Programs;
  /** sshd's PidFile: read again whenever it matters, since sshd may be restarted. */
  readonly sshdPidFile: string;
  readonly clock: () => Date;
  readonly log: Log;
  /** Who owns principals.sock: the AuthorizedPrincipalsCommandUser. Absent: this user. */
  readonly principalsOwner?: { readonly uid: number; readonly gid: number };
  /** route.sock as the sessions of sshd see it, where that is not the companion's own view. */
  readonly routeSocketInSessions?: string;
  /** The compiled program of the installation, as the sessions of sshd see it; absent or null: they use curl. */
  readonly askProgram?: string | null;
  /** Hosts: the compiled program that begins sessions, likewise; absent or null: a script does. */
  readonly sessionProgram?: string | null;
  /** Gateways: whether targets of its own loopback may be jumped to. Absent: no, what listens there is the machine's own. */
  readonly opensLoopback?: boolean;
  /** Gateways where the login name is the target's name. */
  readonly names?: NamesToWrite;
  /** End connections that nobody knows, instead of reporting them; let nobody in while the clock is wrong. */
  readonly failClosed?: boolean;
  /** Nobody gets in when the CA was not heard of for so long; null or absent: the last state counts for ever. */
  readonly maximumStalenessSeconds?: number | null;
  /** What happens then; absent: deny. */
  readonly whenStale?: WhenStale;
  /** The sshd whose configuration is kept and looked at; absent: somebody else's business. */
  readonly sshdFiles?: SshdFiles;
  /** Gateways that take one-time codes: a listener of their own beside sshd. */
  readonly codes?: CodePaths;
  /** Opens and closes the machine's firewall for leases; absent: nobody does. */
  readonly leaseHook?: LeaseHook;
  /** Hosts: logger of util-linux, for a line in the log of the app (app-log.ts); absent: there is none. */
  readonly logProgram?: string;
  /** Hosts: tell the CA that the instances here run, and at an orderly stop that they do not. */
  readonly reportInstances?: boolean;
  readonly intervals?: {
    readonly processesMilliseconds: number;
    readonly filesMilliseconds: number;
    /** How often sshd is asked what its configuration comes to; default a minute. */
    readonly driftMilliseconds?: number;
  };
  readonly feed?: Pick<FeedClientOptions, 'pauses' | 'silenceMilliseconds'>;
}
