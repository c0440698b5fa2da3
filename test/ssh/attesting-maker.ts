/**
 * A maker of security keys for tests: an authority of its own and the certificates that its models sign attestations with
 * (WebAuthn level 3 section 8.2.1). The DER (X.690) is written here, since node:crypto reads certificates only.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export interface IssuedCertificate {
  readonly der: Buffer;
  readonly pem: string;
  readonly privateKey: KeyObject;
}

export interface CertificateWishes {
  readonly name: string;
  /** Subject-OU; absent: none. */
  readonly unit?: string;
  readonly isAuthority?: boolean;
  /** AAGUID of the extension; absent: none. */
  readonly model?: string;
  readonly from?: Date;
  readonly to?: Date;
}

const begin = new Date('2020-01-01T00:00:00Z');
const end = new Date('2049-01-01T00:00:00Z');

export class AttestingMaker {
  readonly name: string;
  readonly authority: IssuedCertificate;

  constructor(name = 'Test Keys', wishes: Partial<CertificateWishes> = {}) {
    this.name = name;
    this.authority = issue({ name, isAuthority: true, ...wishes });
  }

  /** What every key of one model holds. */
  modelCertificate(model: string, wishes: Partial<CertificateWishes> = {}): IssuedCertificate {
    return issue({ name: 'Model', unit: 'Authenticator Attestation', model, ...wishes }, this);
  }
}

function issue(wishes: CertificateWishes, by?: AttestingMaker): IssuedCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { name, unit, isAuthority = false, from = begin, to = end } = wishes;
  const algorithm = sequence(oid('2a8648ce3d040302')); // ecdsa-with-SHA256
  const signed = sequence(
    element(0xa0, element(0x02, Buffer.of(2))), // version 3
    element(0x02, Buffer.of(1)),
    algorithm,
    nameOf(by?.name ?? name),
    sequence(time(from), time(to)),
    nameOf(name, unit),
    publicKey.export({ type: 'spki', format: 'der' }),
    element(0xa3, sequence(basicConstraints(isAuthority), ...modelExtension(wishes.model))),
  );
  const signature = sign('sha256', signed, by?.authority.privateKey ?? privateKey);
  const der = sequence(signed, algorithm, bits(signature));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  const pem = `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
  return { der, pem, privateKey };
}

function basicConstraints(isAuthority: boolean): Buffer {
  const value = isAuthority ? sequence(element(0x01, Buffer.of(0xff))) : sequence();
  return sequence(oid('551d13'), element(0x01, Buffer.of(0xff)), element(0x04, value));
}

/** id-fido-gen-ce-aaguid */
function modelExtension(model: string | undefined): Buffer[] {
  if (model === undefined) return [];
  const value = element(0x04, Buffer.from(model.replaceAll('-', ''), 'hex'));
  return [sequence(oid('2b0601040182e51c010104'), element(0x04, value))];
}

function nameOf(text: string, unit?: string): Buffer {
  const part = (type: string, value: string) =>
    element(0x31, sequence(oid(type), element(0x0c, Buffer.from(value))));
  return sequence(...(unit === undefined ? [] : [part('55040b', unit)]), part('550403', text));
}

function time(at: Date): Buffer {
  const [text = ''] = at.toISOString().replace(/[-:T]/g, '').split('.');
  return element(0x17, Buffer.from(`${text.slice(2)}Z`));
}

function bits(bytes: Buffer): Buffer {
  return element(0x03, Buffer.concat([Buffer.of(0), bytes]));
}

function oid(hex: string): Buffer {
  return element(0x06, Buffer.from(hex, 'hex'));
}

function sequence(...parts: Buffer[]): Buffer {
  return element(0x30, Buffer.concat(parts));
}

function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), content]);
}
