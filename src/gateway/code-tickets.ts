/**
 * The tickets of connections that came with a one-time code. PAM can tell a session nothing, so the ticket lies in a file
 * of the user whom the session runs as, named by both ends of the connection: what the session knows of itself.
 */
import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '../files/write-file.ts';
import { ticketDigest } from './tickets.ts';

/** Addresses and ports, as sshd says them in SSH_CONNECTION; a zone is the name of a network interface. */
const connectionPattern =
  /^[0-9a-fA-F.:]{2,45}(%[0-9A-Za-z._-]{1,15})? [0-9]{1,5} [0-9a-fA-F.:]{2,45}(%[0-9A-Za-z._-]{1,15})? [0-9]{1,5}$/;

export interface CodeTicket {
  /** SSH_CONNECTION of sshd(8). */
  readonly connection: string;
  readonly ticket: string;
  /** Whom the session runs as; null: this very user. */
  readonly uid: number | null;
}

export function isConnectionText(text: string): boolean {
  return connectionPattern.test(text);
}

/** Makes the folder, where everybody may open what they can name and read. */
export async function prepareTickets(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o711);
}

/** There when this returns. */
export async function writeTicket(folder: string, { connection, ticket, uid }: CodeTicket): Promise<void> {
  // Whole from the first moment: others log in, and sweep, at the same time. One that is there is of a connection that
  // had the same ends and is gone.
  await writeFileAtomically(join(folder, connection.replaceAll(' ', '_')), `${ticket}\n`, {
    mode: 0o400,
    ...(uid === null ? {} : { owner: { uid, gid: uid } }),
  });
}

/** Removes tickets of connections that are gone. @param isLive tells of a ticket's digest */
export async function sweepTickets(folder: string, isLive: (digest: string) => boolean): Promise<void> {
  for (const name of await readdir(folder)) {
    // One that is being written.
    if (name.startsWith('.')) continue;
    const path = join(folder, name);
    const ticket = await readFile(path, 'ascii').catch(() => '');
    if (!isLive(ticketDigest(ticket.trim()))) await rm(path, { force: true });
  }
}
