/** An authenticator in a few lines, which also does what a real one never would. WebAuthn level 3, sections 5.8.1, 6.1. */
import { createHash, createSign, generateKeyPairSync, randomBytes } from 'node:crypto';

export interface Lie {
  readonly challenge?: string;
  readonly origin?: string;
  readonly rpId?: string;
  readonly type?: string;
  readonly userVerified?: boolean;
  readonly userPresent?: boolean;
  readonly counter?: number;
  /** What is claimed to be the credential. */
  readonly credentialId?: Buffer;
  readonly signature?: Buffer;
  readonly format?: 'none' | 'packed';
}

export interface SoftwareAuthenticator {
  readonly credentialId: Buffer;
  readonly model: string;
  /** JSON, as the browser sends it. */
  enrol(challenge: string, lie?: Lie): string;
  assert(challenge: string, lie?: Lie): string;
}

const flags = { userPresent: 0x01, userVerified: 0x04, backupEligible: 0x08, backedUp: 0x10, attested: 0x40 };

export function softwareAuthenticator(
  publicUrl: URL,
  { model = '01020304-0506-0708-0102-030405060708', backedUp = false, counts = true } = {},
): SoftwareAuthenticator {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const credentialId = randomBytes(32);
  let counter = 0;

  const clientData = (type: string, challenge: string, lie: Lie) =>
    Buffer.from(
      JSON.stringify({
        type: lie.type ?? type,
        challenge: lie.challenge ?? challenge,
        origin: lie.origin ?? publicUrl.origin,
        crossOrigin: false,
      }),
    );
  const authenticatorData = (attested: Buffer, lie: Lie) => {
    counter = lie.counter ?? (counts ? counter + 1 : 0);
    const set =
      (lie.userPresent === false ? 0 : flags.userPresent) |
      (lie.userVerified === false ? 0 : flags.userVerified) |
      (backedUp ? flags.backupEligible | flags.backedUp : 0) |
      (attested.length > 0 ? flags.attested : 0);
    const count = Buffer.alloc(4);
    count.writeUInt32BE(counter);
    return Buffer.concat([
      sha256(Buffer.from(lie.rpId ?? publicUrl.hostname)),
      Buffer.from([set]),
      count,
      attested,
    ]);
  };
  const signed = (data: Buffer, client: Buffer) =>
    createSign('sha256')
      .update(Buffer.concat([data, sha256(client)]))
      .sign(privateKey);
  const answer = (response: object, id: Buffer) =>
    JSON.stringify({
      id: id.toString('base64url'),
      rawId: id.toString('base64url'),
      type: 'public-key',
      clientExtensionResults: {},
      response,
    });

  return {
    credentialId,
    model,
    enrol: (challenge, lie = {}) => {
      const client = clientData('webauthn.create', challenge, lie);
      const id = lie.credentialId ?? credentialId;
      const idLength = Buffer.alloc(2);
      idLength.writeUInt16BE(id.length);
      const key = cbor(
        new Map<number, number | Buffer>([
          [1, 2],
          [3, -7],
          [-1, 1],
          [-2, Buffer.from(x, 'base64url')],
          [-3, Buffer.from(y, 'base64url')],
        ]),
      );
      const aaguid = Buffer.from(model.replaceAll('-', ''), 'hex');
      const data = authenticatorData(Buffer.concat([aaguid, idLength, id, key]), lie);
      const { format = 'none' } = lie;
      // "packed" without a chain: signed by the credential itself (section 8.2).
      const statement = new Map<string, number | Buffer>(
        format === 'none'
          ? []
          : [
              ['alg', -7],
              ['sig', lie.signature ?? signed(data, client)],
            ],
      );
      const attestation = cbor(
        new Map<string, string | Buffer | Map<string, number | Buffer>>([
          ['fmt', format],
          ['attStmt', statement],
          ['authData', data],
        ]),
      );
      return answer(
        {
          clientDataJSON: client.toString('base64url'),
          attestationObject: attestation.toString('base64url'),
          transports: ['internal', 'carrier-pigeon'],
        },
        id,
      );
    },
    assert: (challenge, lie = {}) => {
      const client = clientData('webauthn.get', challenge, lie);
      const data = authenticatorData(Buffer.alloc(0), lie);
      return answer(
        {
          clientDataJSON: client.toString('base64url'),
          authenticatorData: data.toString('base64url'),
          signature: (lie.signature ?? signed(data, client)).toString('base64url'),
        },
        lie.credentialId ?? credentialId,
      );
    },
  };
}

type Item = number | string | Buffer | Map<string | number, Item> | Map<string, Item> | Map<number, Item>;

/** RFC 8949 section 3, as much of it as is needed. */
function cbor(item: Item): Buffer {
  if (typeof item === 'number') return item >= 0 ? head(0, item) : head(1, -1 - item);
  if (typeof item === 'string') return Buffer.concat([head(3, Buffer.byteLength(item)), Buffer.from(item)]);
  if (Buffer.isBuffer(item)) return Buffer.concat([head(2, item.length), item]);
  const entries = [...(item as Map<string | number, Item>)];
  return Buffer.concat([
    head(5, entries.length),
    ...entries.flatMap(([key, value]) => [cbor(key), cbor(value)]),
  ]);
}

function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value]);
  if (value < 256) return Buffer.from([(major << 5) | 24, value]);
  const wide = Buffer.from([(major << 5) | 25, 0, 0]);
  wide.writeUInt16BE(value, 1);
  return wide;
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
