/** What a companion keeps of its enrolment: who it is, its credential, and the CA keys that it trusts from then on. */
import { z } from 'zod';
import { keyLine, slug } from '../api/common.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { ensurePrivateFolder, readPrivateFile, writeFileAtomically } from '../files/write-file.ts';

/** `format` grows when older readers must not go on. */
const enrolmentSchema = z.strictObject({
  format: z.literal(1),
  companionId: z.uuid(),
  name: slug,
  kind: z.enum(['gateway', 'host']),
  credential: z.string().min(1),
  serverUrl: z.url(),
  domain: z.string().min(1),
  /** Trusted from the enrolment on; see check-state.ts for how one follows another. */
  userAuthorities: z.array(keyLine).min(1),
  /** The machine's own host key, by which it enrolled; absent: it has one of our making. */
  hostKey: z.string().startsWith('/').optional(),
});

export type Enrolment = z.infer<typeof enrolmentSchema>;

/** Undefined if this machine is not enrolled. @throws file_refused if the file is not as it must be */
export async function readEnrolment(path: string): Promise<Enrolment | undefined> {
  const bytes = await readPrivateFile(path);
  if (bytes === undefined) return undefined;
  try {
    return enrolmentSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    throw new SallyportError(
      'file_refused',
      `${path} is damaged or from another version. Remove it and enrol this machine again with a new token.`,
    );
  }
}

/** @throws enrolment_refused if there is none */
export async function requireEnrolment(path: string): Promise<Enrolment> {
  const enrolment = await readEnrolment(path);
  if (enrolment) return enrolment;
  throw new SallyportError(
    'enrolment_refused',
    `This machine is not enrolled (${path} is missing). Ask an admin for an enrolment token, then run: sallyport gateway install --server URL --token-file FILE (for a host: sallyport host install)`,
  );
}

export async function writeEnrolment(stateFolder: string, path: string, enrolment: Enrolment): Promise<void> {
  await ensurePrivateFolder(stateFolder);
  await writeFileAtomically(path, `${JSON.stringify(enrolment, null, 2)}\n`, { mode: 0o600 });
}
