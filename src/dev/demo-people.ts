/** The demo's people, kept between starts in a file that only their owner reads. Passwords are shown when they are made. */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { SallyportError } from '../errors/sallyport-error.ts';
import { readPrivateFile, writeFileAtomically } from '../files/write-file.ts';
import { createDemoPeople, type DemoPerson } from './identity-provider-people.ts';

const peopleFile = z.strictObject({
  clientSecret: z.string().min(32),
  people: z.array(
    z.strictObject({
      username: z.string(),
      name: z.string(),
      email: z.string(),
      groups: z.array(z.string()),
      password: z.string(),
      otpSecret: z.string().nullable(),
    }),
  ),
});

export interface DemoPeople {
  /** Of the client that the CA is at the identity provider. */
  readonly clientSecret: string;
  readonly people: readonly DemoPerson[];
  /** They have just been made: the one time that their passwords are shown. */
  readonly isNew: boolean;
}

/** Reads the file, or makes the people and writes it. @throws settings_invalid if it is damaged */
export async function openDemoPeople(path: string): Promise<DemoPeople> {
  const stored = await readPrivateFile(path);
  if (stored !== undefined) return { ...parse(stored, path), isNew: false };
  const people = createDemoPeople();
  const clientSecret = randomBytes(32).toString('base64url');
  const text = `${JSON.stringify({ clientSecret, people }, null, 2)}\n`;
  await writeFileAtomically(path, text, { mode: 0o600 });
  return { clientSecret, people, isNew: true };
}

function parse(stored: Buffer, path: string): z.infer<typeof peopleFile> {
  try {
    return peopleFile.parse(JSON.parse(stored.toString('utf8')));
  } catch {
    throw new SallyportError(
      'settings_invalid',
      `${path} is damaged. Delete it to get new demo people: rm ${path}`,
    );
  }
}
