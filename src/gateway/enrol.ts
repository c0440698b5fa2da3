/**
 * Enrols this machine with a one-time token, or by a host key that was registered beforehand: proves possession of the host
 * key, learns who it is, and pins the user CA keys. The companion proposes nothing of its own, and by a host key it becomes only what it was told to: its name and what its host certificate says come from the server.
 */
import { rm } from 'node:fs/promises';
import {
  type EnrolmentReply,
  enrolmentByKeyMessage,
  enrolmentMessage,
  enrolmentNonceReply,
  enrolmentReply,
} from '../api/companions.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { ensurePrivateFolder, writeFileAtomically } from '../files/write-file.ts';
import { parsePublicKeyLine } from '../ssh/public-key.ts';
import { type Enrolment, readEnrolment, writeEnrolment } from './enrolment.ts';
import { ensureHostKey, signWithHostKey } from './host-key.ts';
import type { CompanionPaths } from './paths.ts';
import { requestJson } from './server-request.ts';

/**
 * What lets a machine in: a one-time token, or its own host key (a path) whose fingerprint was registered beforehand, with
 * the name that it was registered for.
 */
export type EnrolmentProof = { readonly token: string } | { readonly hostKey: string; readonly name: string };

export type EnrolOptions = EnrolmentProof & {
  readonly paths: CompanionPaths;
  /** Such as https://ssh.example.com; its host name is the domain of signatures. */
  readonly serverUrl: string;
  readonly sshKeygen: string;
  readonly kind: 'gateway' | 'host';
};

/** Much more than an enrolment takes. */
const reservedBytes = 64 * 1024;

/** @throws enrolment_refused if it is enrolled already, if the server refuses, or if the kinds differ; install_failed */
export async function enrol(options: EnrolOptions): Promise<Enrolment> {
  const { paths, serverUrl, kind } = options;
  const existing = await readEnrolment(paths.enrolment);
  if (existing) {
    throw new SallyportError(
      'enrolment_refused',
      `This machine is enrolled already, as ${existing.kind} ${existing.name} at ${existing.serverUrl}. To enrol it anew run: sallyport ${existing.kind} uninstall`,
    );
  }
  const url = checkServerUrl(serverUrl);
  const reserved = await reserveSpace(paths);
  let reply: EnrolmentReply;
  try {
    reply = await ask(url, options);
  } finally {
    await rm(reserved, { force: true });
  }
  if (reply.kind !== kind) {
    throw new SallyportError(
      'enrolment_refused',
      `This enrolment is for a ${reply.kind} (${reply.name}), not for a ${kind}. It is used up; ask for a new token and run: sallyport ${reply.kind} install`,
    );
  }
  for (const line of reply.user_authorities) parsePublicKeyLine(line);
  const enrolment: Enrolment = {
    format: 1,
    companionId: reply.companion_id,
    name: reply.name,
    kind: reply.kind,
    credential: reply.credential,
    serverUrl: url.href,
    domain: reply.domain,
    userAuthorities: reply.user_authorities,
    ...('hostKey' in options ? { hostKey: options.hostKey } : {}),
  };
  await writeEnrolment(paths.stateFolder, paths.enrolment, enrolment);
  return enrolment;
}

/** A token is spent once: what the server answers must find room. @throws install_failed @returns a file to remove */
async function reserveSpace({ stateFolder, enrolment }: CompanionPaths): Promise<string> {
  const path = `${enrolment}.reserved`;
  try {
    await ensurePrivateFolder(stateFolder);
    await writeFileAtomically(path, Buffer.alloc(reservedBytes, 1), { mode: 0o600 });
    return path;
  } catch (cause) {
    if (isSallyportError(cause)) throw cause;
    const why = (cause as NodeJS.ErrnoException).code === 'ENOSPC' ? 'The disk is full' : String(cause);
    throw new SallyportError(
      'install_failed',
      `${why}: nothing can be written to ${stateFolder}. The machine is not enrolled, and the token still good.`,
      { cause },
    );
  }
}

async function ask(url: URL, options: EnrolOptions): Promise<EnrolmentReply> {
  const { paths, sshKeygen } = options;
  const server = { url: url.href, credential: null };
  const keyFile = 'hostKey' in options ? options.hostKey : paths.hostKey;
  const hostPublicKey = await ensureHostKey(paths.stateFolder, keyFile, sshKeygen);
  const sign = (message: Buffer, namespace: string) =>
    signWithHostKey(sshKeygen, keyFile, hostPublicKey, { message, namespace });
  if ('token' in options) {
    const { token } = options;
    const signature = await sign(enrolmentMessage(token), `enrol@${url.hostname}`);
    const body = { token, host_public_key: hostPublicKey, signature };
    return await requestJson(server, '/v1/companions/enrol', enrolmentReply, { body });
  }
  const { nonce } = await requestJson(server, '/v1/companions/enrolment-nonces', enrolmentNonceReply, {
    body: { name: options.name, host_public_key: hostPublicKey },
  });
  const signature = await sign(
    enrolmentByKeyMessage(nonce, url.origin, options.name),
    `enrol-by-key@${url.hostname}`,
  );
  const body = { name: options.name, nonce, host_public_key: hostPublicKey, signature };
  return await requestJson(server, '/v1/companions/enrol-by-key', enrolmentReply, { body });
}

/** https, or http to this very machine: a token and a credential travel to it. @throws settings_invalid */
function checkServerUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLocal = url && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url && (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal))) {
    return new URL(url.origin);
  }
  throw new SallyportError(
    'settings_invalid',
    `${text} is not a server's URL. Give an https:// URL, such as https://ssh.example.com.`,
  );
}
