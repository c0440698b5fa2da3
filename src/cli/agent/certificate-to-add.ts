/**
 * The request that gives an ssh-agent a certificate with its private key (draft-ietf-sshm-ssh-agent section 3.2), until a
 * time and towards named hosts alone (restrict-destination-v00@openssh.com, OpenSSH PROTOCOL.agent). Without the plain key
 * beside it: ssh would sign with that, which an agent takes for the login of somebody else. Pure.
 */
import { SallyportError } from '../../errors/sallyport-error.ts';
import { unarmor } from '../../ssh/pem.ts';
import { WireReader, WireWriter } from '../../ssh/wire.ts';
import { numbers } from './messages.ts';

export interface CertificateToAdd {
  /** Text of the private key file, without a passphrase. */
  readonly keyFile: string;
  /** Blob of the certificate. */
  readonly certificate: Buffer;
  readonly comment: string;
  readonly seconds: number;
  /** Names of hosts whose certificates one of the authorities has signed. */
  readonly destinations: readonly string[];
  /** Blobs of host CA keys. */
  readonly authorities: readonly Buffer[];
}

const lifetime = 1;
const extension = 255;

/** How many strings of a key file are public, and stand in the certificate: they are left out, by type. */
const publicParts: Readonly<Record<string, number>> = {
  'ssh-ed25519': 0,
  'ecdsa-sha2-nistp256': 2,
  'ecdsa-sha2-nistp384': 2,
  'ecdsa-sha2-nistp521': 2,
  'ssh-rsa': 2,
};
const privateParts: Readonly<Record<string, number>> = { 'ssh-ed25519': 2, 'ssh-rsa': 4 };

/** @throws key_malformed, key_type_refused for one whose private half is not in the file */
export function addCertificateRequest(to: CertificateToAdd): Buffer {
  const { keyFile, certificate, comment, seconds, destinations, authorities } = to;
  const type = new WireReader(certificate, 'certificate_malformed', 'certificate').text();
  const request = new WireWriter().u8(numbers.addConstrained).string(type).string(certificate);
  for (const part of secretParts(keyFile)) request.string(part);
  request.string(comment).u8(lifetime).u32(seconds);
  const constraints = destinations.map((host) => constraintTo(host, authorities));
  const packed = constraints.reduce((writer, one) => writer.string(one), new WireWriter()).bytes();
  return request.u8(extension).string('restrict-destination-v00@openssh.com').string(packed).bytes();
}

/** From here: a hop without a name and keys. */
function constraintTo(host: string, authorities: readonly Buffer[]): Buffer {
  const from = new WireWriter().string('').string('').string('').bytes();
  const to = new WireWriter().string('').string(host).string('');
  for (const authority of authorities) to.string(authority).u8(1);
  return new WireWriter().string(from).string(to.bytes()).string('').bytes();
}

/** The strings that are secret (OpenSSH PROTOCOL.key, section 3). */
function secretParts(keyFile: string): Buffer[] {
  const bytes = unarmor('OPENSSH PRIVATE KEY', keyFile) ?? Buffer.alloc(0);
  const file = new WireReader(bytes, 'key_malformed', 'private key');
  file.raw('openssh-key-v1\0'.length);
  const [cipher] = [file.text(), file.text(), file.string()];
  if (cipher !== 'none' || file.u32() !== 1) throw file.error('is not a single one without a passphrase');
  file.string();
  const secret = new WireReader(file.string(), 'key_malformed', 'private key');
  secret.raw(8);
  const type = secret.text();
  const left = publicParts[type];
  if (left === undefined) {
    throw new SallyportError('key_type_refused', 'Keys of this type are not given to an agent.');
  }
  for (let part = 0; part < left; part++) secret.string();
  return Array.from({ length: privateParts[type] ?? 1 }, () => secret.string());
}
