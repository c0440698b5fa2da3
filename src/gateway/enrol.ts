/**
 * Enrols this machine with its one-time token: proves possession of the host key, learns who it is, and pins the user
 * CA keys. The companion proposes nothing of its own: its name and what its host certificate says come from the server.
 */
import { enrolmentMessage, enrolmentReply } from '../api/companions.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { parsePublicKeyLine } from '../ssh/public-key.ts';
import { type Enrolment, readEnrolment, writeEnrolment } from './enrolment.ts';
import { ensureHostKey, signWithHostKey } from './host-key.ts';
import type { CompanionPaths } from './paths.ts';
import { requestJson } from './server-request.ts';

export interface EnrolOptions {
  readonly paths: CompanionPaths;
  /** Such as https://ssh.example.com; its host name is the domain of signatures. */
  readonly serverUrl: string;
  readonly token: string;
  readonly sshKeygen: string;
  readonly kind: 'gateway' | 'host';
}

/** @throws enrolment_refused if it is enrolled already, if the server refuses, or if the kinds differ */
export async function enrol({ paths, serverUrl, token, sshKeygen, kind }: EnrolOptions): Promise<Enrolment> {
  const existing = await readEnrolment(paths.enrolment);
  if (existing) {
    throw new SallyportError(
      'enrolment_refused',
      `This machine is enrolled already, as ${existing.kind} ${existing.name} at ${existing.serverUrl}. To enrol it anew run: sallyport ${existing.kind} uninstall`,
    );
  }
  const url = checkServerUrl(serverUrl);
  const domain = url.hostname;
  const hostPublicKey = await ensureHostKey(paths.stateFolder, paths.hostKey, sshKeygen);
  const signature = await signWithHostKey(sshKeygen, paths.hostKey, hostPublicKey, {
    message: enrolmentMessage(token),
    namespace: `enrol@${domain}`,
  });
  const reply = await requestJson(
    { url: url.href, credential: null },
    '/v1/companions/enrol',
    enrolmentReply,
    {
      body: { token, host_public_key: hostPublicKey, signature },
    },
  );
  if (reply.kind !== kind) {
    throw new SallyportError(
      'enrolment_refused',
      `The token is for a ${reply.kind} (${reply.name}), not for a ${kind}. It is used up; ask for a new one and run: sallyport ${reply.kind} install`,
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
  };
  await writeEnrolment(paths.stateFolder, paths.enrolment, enrolment);
  return enrolment;
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
