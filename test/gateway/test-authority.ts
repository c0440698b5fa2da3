/**
 * A CA for the tests of companions: throw-away keys, an HTTP server that speaks what a companion speaks, and state that
 * a test changes and pushes. It records what companions acknowledge and report.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CertificateClaims } from '../../src/api/claims.ts';
import {
  type Acknowledgement,
  acknowledgement,
  type CompanionState,
  type ConnectionReport,
  connectionReport,
  enrolmentMessage,
  enrolmentRequest,
  hopSectionMark,
  krlMessage,
} from '../../src/api/companions.ts';
import {
  type HopCertificateRequest,
  type HopSource,
  hopCertificateRequest,
  hopMessage,
} from '../../src/api/hop-certificates.ts';
import { type SshCodeCheck, type SshCodeVerdict, sshCodeCheck } from '../../src/api/ssh-codes.ts';
import type { CertificateFields } from '../../src/ssh/certificate.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import { canaryPrincipal, hopPrincipal, keyIdFor } from '../../src/ssh/names.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificate, parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { parsePublicKeyLine, publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig, verifySshsig } from '../../src/ssh/sshsig.ts';

export type TargetDocument = CompanionState['targets'][number];
export const domain = 'localhost';

interface Enrolled {
  readonly id: string;
  readonly kind: 'gateway' | 'host';
  readonly name: string;
  readonly gatewayLogin: string | null;
  hostKey: Buffer | undefined;
  /** The server's choice; a test may ask for a new one. */
  hostCertificate: string;
}

export interface UserCertificateOptions {
  readonly account: string;
  readonly publicKey: Buffer;
  readonly sessionId: string;
  readonly mfa?: boolean;
  readonly authTimeSeconds?: number;
  /** When the second factor was given, if not at the login. */
  readonly mfaTimeSeconds?: number;
  readonly validBeforeSeconds?: number;
  readonly serial?: bigint;
  /** Whether its owner's agent may be forwarded. */
  readonly agent?: boolean;
  readonly ca?: GeneratedKey;
  /** What the claims say where it differs. */
  readonly claims?: Partial<CertificateClaims>;
}

export interface HopCertificateOptions {
  readonly account: string;
  readonly publicKey: Buffer;
  readonly sessionId: string;
  readonly principals?: readonly string[];
  readonly validBeforeSeconds?: number;
  readonly serial?: bigint;
  readonly ca?: GeneratedKey;
  readonly criticalOptions?: CertificateFields['criticalOptions'];
  /** Beside the claims and permit-pty. */
  readonly extensions?: CertificateFields['extensions'];
  readonly claims?: Partial<CertificateClaims>;
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000);
}

export class TestAuthority {
  userCa = generateEd25519();
  /** Named to hosts, if there is one. */
  hopCa: GeneratedKey | undefined;
  /** Known as stolen: the list names it, and it signs that list for who knows no other. */
  compromisedCa: GeneratedKey | undefined;
  readonly hostCa = generateEd25519();
  version = BigInt(Date.now());
  krlVersion = this.version;
  accounts: CompanionState['accounts'] = [];
  targets: TargetDocument[] = [];
  rules: CompanionState['access_rules'] = [];
  services: CompanionState['services'] = [];
  registeredKeys: CompanionState['registered_keys'] = [];
  leases: CompanionState['leases'] = [];
  emptyApps: NonNullable<CompanionState['empty_apps']> = [];
  endedSessions: string[] = [];
  /** What the reply to a report names. */
  endedAmongReported: string[] = [];
  revoked: bigint[] = [];
  /** Serials of the hop CA. */
  revokedHops: bigint[] = [];
  readonly acknowledgements: Acknowledgement[] = [];
  /** What companions said they have when they opened a stream. */
  readonly installed: Record<string, string>[] = [];
  readonly reports: ConnectionReport[] = [];
  readonly heard = new EventEmitter();
  /** Where every companion's sshd is to listen. */
  ports: number[] | undefined;
  /** How far the CA's clock is ahead of the machine's. */
  aheadSeconds = 0;
  /** Refuses the stream, so that companions poll. */
  streamIsDown = false;
  refusesReports = false;
  /** What gateways asked for, for their second legs. */
  readonly hops: HopCertificateRequest[] = [];
  /** One-time codes, each good once. */
  readonly codes = new Map<string, SshCodeVerdict>();
  readonly codeChecks: SshCodeCheck[] = [];
  /** Account and session by the id of the code's use. */
  readonly codeUses = new Map<string, [string, string]>();
  /** Undefined: the certificate is given. Takes as long as it likes. */
  refusesHop: (asked: HopCertificateRequest) => Promise<{ code: string; detail: string } | undefined> = () =>
    Promise.resolve(undefined);
  url = '';
  readonly #tokens = new Map<string, Enrolled>();
  readonly #byCredential = new Map<string, Enrolled>();
  readonly #streams = new Map<ServerResponse, Enrolled>();
  #serial = 1_000n;
  readonly #server = createServer((request, response) => {
    this.#handle(request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });

  async start(port = 0): Promise<void> {
    this.heard.setMaxListeners(0);
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close').catch(() => {});
  }

  token(kind: 'gateway' | 'host', name: string, gatewayLogin: string | null = null): string {
    const token = `sally_enrol_${randomBytes(16).toString('hex')}`;
    this.#tokens.set(token, {
      id: randomUUID(),
      kind,
      name,
      gatewayLogin,
      hostKey: undefined,
      hostCertificate: '',
    });
    return token;
  }

  /** A new version for everybody. @returns it */
  push({ krl = false }: { krl?: boolean } = {}): string {
    this.version += 1n;
    if (krl) this.krlVersion = this.version;
    for (const [stream, enrolled] of this.#streams) void this.#send(stream, enrolled);
    return this.version.toString();
  }

  /** Sends a document as it is, whatever is wrong with it. */
  async pushDocument(
    change: (state: CompanionState) => CompanionState | Promise<CompanionState>,
  ): Promise<void> {
    for (const [stream, enrolled] of this.#streams)
      write(stream, await change(await this.#stateFor(enrolled)));
  }

  async waitForAcknowledgement(matches: (found: Acknowledgement) => boolean): Promise<Acknowledgement> {
    for (;;) {
      const found = this.acknowledgements.find(matches);
      if (found) return found;
      await once(this.heard, 'acknowledgement', { signal: AbortSignal.timeout(20_000) });
    }
  }

  async waitForReport(matches: (found: ConnectionReport) => boolean): Promise<ConnectionReport> {
    for (;;) {
      const found = this.reports.find(matches);
      if (found) return found;
      await once(this.heard, 'report', { signal: AbortSignal.timeout(20_000) });
    }
  }

  nextSerial(): bigint {
    this.#serial += 1n;
    return this.#serial;
  }

  issue(fields: Omit<CertificateFields, 'nonce' | 'caPublicKey'>, ca: GeneratedKey): Buffer {
    const toBeSigned = encodeToBeSigned({ ...fields, nonce: randomBytes(32), caPublicKey: ca.publicKeyBlob });
    return assembleCertificate(toBeSigned, signWithKey(ca.privateKey, toBeSigned));
  }

  userCertificate(options: UserCertificateOptions): Buffer {
    const { account, publicKey, sessionId, mfa = true, ca = this.userCa } = options;
    const now = nowSeconds();
    const claims = {
      v: 1,
      sub: account,
      org: 'example',
      amr: mfa ? ['pwd', 'otp'] : ['pwd'],
      acr: null,
      auth_time: options.authTimeSeconds ?? now,
      sid: sessionId,
      mode: 'interactive',
      ...options.claims,
    };
    const proof = {
      v: 1,
      methods: ['otp'],
      by: 'http://127.0.0.1:8421',
      ...(options.mfaTimeSeconds === undefined ? {} : { time: options.mfaTimeSeconds }),
    };
    return this.issue(
      {
        kind: 'user',
        publicKey,
        serial: options.serial ?? this.nextSerial(),
        keyId: keyIdFor(account, sessionId),
        principals: mfa ? [account, `mfa:${account}`] : [account],
        validAfter: BigInt(now - 3_600),
        validBefore: BigInt(options.validBeforeSeconds ?? now + 3_600),
        criticalOptions: [],
        extensions: [
          { name: `claims@${domain}`, value: JSON.stringify(claims) },
          ...(mfa ? [{ name: `mfa@${domain}`, value: JSON.stringify(proof) }] : []),
          ...(options.agent ? [{ name: 'permit-agent-forwarding', value: '' }] : []),
          { name: 'permit-port-forwarding', value: '' },
          { name: 'permit-pty', value: '' },
        ],
      },
      ca,
    );
  }

  /** For the host named `host`, from this machine, as the CA issues one: the login behind it is a day old. */
  hopCertificate(options: HopCertificateOptions): Buffer {
    const { account, publicKey, sessionId, ca = this.hopCa ?? this.userCa, claims } = options;
    const now = nowSeconds();
    const stated = {
      v: 1,
      sub: account,
      org: 'example',
      amr: ['pwd', 'otp'],
      acr: null,
      auth_time: now - 86_400,
      sid: sessionId,
      mode: 'hop',
      act: 'gateway',
      ...claims,
    };
    return this.issue(
      {
        kind: 'user',
        publicKey,
        serial: options.serial ?? this.nextSerial(),
        keyId: keyIdFor(account, sessionId),
        principals: options.principals ?? [hopPrincipal('host')],
        validAfter: BigInt(now - 60),
        validBefore: BigInt(options.validBeforeSeconds ?? now + 60),
        criticalOptions: options.criticalOptions ?? [{ name: 'source-address', value: '127.0.0.1' }],
        extensions: [
          { name: `claims@${domain}`, value: JSON.stringify(stated) },
          { name: 'permit-pty', value: '' },
          ...(options.extensions ?? []),
        ].sort((one, other) => (one.name < other.name ? -1 : 1)),
      },
      ca,
    );
  }

  hostCertificate(publicKey: Buffer): string {
    const now = BigInt(nowSeconds());
    const blob = this.issue(
      {
        kind: 'host',
        publicKey,
        serial: this.nextSerial(),
        keyId: 'host/test',
        principals: ['127.0.0.1', ...this.targets.map(({ targetName }) => `${targetName}.sallyport`)],
        validAfter: now - 3_600n,
        validBefore: now + 86_400n,
        criticalOptions: [],
        extensions: [],
      },
      this.hostCa,
    );
    return certificateLine(blob);
  }

  canary(ca: GeneratedKey): { serial: bigint; line: string } {
    const now = BigInt(nowSeconds());
    const blob = this.issue(
      {
        kind: 'user',
        publicKey: generateEd25519().publicKeyBlob,
        serial: 1n,
        keyId: 'canary',
        principals: [canaryPrincipal],
        validAfter: now - 7_200n,
        validBefore: now - 3_600n,
        criticalOptions: [],
        extensions: [],
      },
      ca,
    );
    return { serial: 1n, line: certificateLine(blob) };
  }

  krl(): Buffer {
    return encodeKrl({
      version: this.krlVersion,
      generatedAt: 1_700_000_000n,
      comment: '',
      sections: [
        { kind: 'certificates', caPublicKey: this.userCa.publicKeyBlob, serials: [1n, ...this.revoked] },
        ...(this.hopCa
          ? [
              {
                kind: 'certificates' as const,
                caPublicKey: this.hopCa.publicKeyBlob,
                serials: [1n, ...this.revokedHops],
                keyIds: [hopSectionMark],
              },
            ]
          : []),
        ...(this.compromisedCa ? [{ kind: 'keys' as const, blobs: [this.compromisedCa.publicKeyBlob] }] : []),
      ],
    });
  }

  signKrl(version: string, data: Buffer, key: GeneratedKey = this.userCa): Promise<string> {
    return signSshsig({
      message: krlMessage(version, data),
      namespace: `krl@${domain}`,
      publicKeyBlob: key.publicKeyBlob,
      sign: (bytes) => signWithKey(key.privateKey, bytes),
    });
  }

  async #stateFor(enrolled: Enrolled): Promise<CompanionState> {
    const krl = this.krl();
    const krlVersion = this.krlVersion.toString();
    return {
      format: 1,
      version: this.version.toString(),
      companion: {
        id: enrolled.id,
        name: enrolled.name,
        kind: enrolled.kind,
        gateway_login: enrolled.gatewayLogin,
        ...(this.ports && { ports: this.ports }),
      },
      generated_at: nowSeconds() + this.aheadSeconds,
      user_authorities: [{ public_key: caLine(this.userCa), canary: this.canary(this.userCa).line }],
      ...(this.hopCa &&
        enrolled.kind === 'host' && {
          hop_authorities: [{ public_key: caLine(this.hopCa), canary: this.canary(this.hopCa).line }],
        }),
      krl: {
        version: krlVersion,
        data: krl.toString('base64'),
        signature: await this.signKrl(krlVersion, krl),
        ...(this.compromisedCa && { signatures: [await this.signKrl(krlVersion, krl, this.compromisedCa)] }),
      },
      host_certificate: enrolled.hostCertificate,
      targets: this.targets,
      accounts: this.accounts,
      access_rules: this.rules,
      services: this.services,
      host_authorities: [publicKeyLine({ blob: this.hostCa.publicKeyBlob })],
      registered_keys: this.registeredKeys,
      leases: this.leases,
      empty_apps: this.emptyApps,
      ended_sessions: this.endedSessions,
      public_url: this.url,
    };
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams } = new URL(request.url ?? '', this.url);
    if (path === '/v1/companions/enrol') {
      reply(response, await this.#enrol(await readJson(request)));
      return;
    }
    const credential = (request.headers.authorization ?? '').replace('Bearer ', '');
    const enrolled = this.#byCredential.get(credential);
    if (enrolled === undefined) {
      reply(response, { code: 'token_invalid', detail: 'The credential is not known.' }, 401);
    } else if (path === '/v1/companions/feed') {
      this.installed.push(Object.fromEntries(searchParams));
      if (this.streamIsDown) reply(response, { code: 'unavailable', detail: 'down' }, 503);
      else {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(': hello\n\n');
        this.#streams.set(response, enrolled);
        response.once('close', () => this.#streams.delete(response));
        await this.#send(response, enrolled);
      }
    } else if (path === '/v1/companions/state') reply(response, await this.#stateFor(enrolled));
    else if (path === '/v1/companions/acknowledgement') {
      this.acknowledgements.push(acknowledgement.parse(await readJson(request)));
      response.writeHead(204).end();
      this.heard.emit('acknowledgement');
    } else if (path === '/v1/companions/connections' && this.refusesReports) {
      reply(response, {}, 503);
    } else if (path === '/v1/companions/connections') {
      this.reports.push(connectionReport.parse(await readJson(request)));
      reply(response, { ended_sessions: this.endedAmongReported });
      this.heard.emit('report');
    } else if (path === '/v1/companions/ssh-codes/verify') {
      const check = sshCodeCheck.parse(await readJson(request));
      this.codeChecks.push(check);
      const verdict = this.codes.get(check.code);
      this.codes.delete(check.code);
      reply(response, verdict ?? { accepted: false });
    } else if (path === '/v1/companions/hop-certificates') {
      await this.#issueHop(enrolled, await readJson(request), response);
    } else response.writeHead(404).end();
  }

  /** As the server does, but that it believes the source, whose certificate the gateway's sshd has verified. */
  async #issueHop(enrolled: Enrolled, body: unknown, response: ServerResponse): Promise<void> {
    const asked = hopCertificateRequest.parse(body);
    this.hops.push(asked);
    const publicKey = parsePublicKeyLine(asked.public_key).blob;
    const message = hopMessage(enrolled.id, asked);
    verifySshsig({
      message,
      namespace: `hop@${domain}`,
      publicKeyBlob: publicKey,
      armored: asked.signature,
    });
    const refusal = await this.refusesHop(asked);
    const target = this.targets.find(({ targetName }) => targetName === asked.target);
    if (refusal || !target?.host) {
      const { code = 'access_denied', detail = 'No such target.' } = refusal ?? {};
      reply(response, { code, detail }, 403);
      return;
    }
    const [account = '', sessionId = ''] = this.#sourceOf(asked);
    const { remote, agent } = target.forwarding;
    const certificate = this.hopCertificate({
      account,
      sessionId,
      publicKey,
      principals: [hopPrincipal(target.host)],
      claims: { act: enrolled.name },
      extensions: [
        ...(agent ? [{ name: 'permit-agent-forwarding', value: '' }] : []),
        ...(remote ? [{ name: 'permit-port-forwarding', value: '' }] : []),
      ],
    });
    const { serial, keyId, validAfter, validBefore } = parseCertificate(certificate);
    reply(response, {
      certificate: certificateLine(certificate),
      serial: `${serial}`,
      key_id: keyId,
      host: target.host,
      valid_after: Number(validAfter),
      valid_before: Number(validBefore),
      session_expires_at: nowSeconds() + 28_800,
    });
  }

  /** Account and session. */
  #sourceOf({ source_certificate, registered_key, ssh_code_use }: HopSource): string[] {
    const used = ssh_code_use === undefined ? undefined : this.codeUses.get(ssh_code_use);
    if (used) return used;
    if (source_certificate !== undefined) return parseCertificateLine(source_certificate).keyId.split('/');
    const key = this.registeredKeys.find(({ public_key }) => public_key === registered_key);
    return key ? [key.account, key.session_id] : [];
  }

  async #enrol(body: unknown): Promise<object> {
    const { token, host_public_key, signature } = enrolmentRequest.parse(body);
    const enrolled = this.#tokens.get(token);
    if (enrolled === undefined) throw new Error('no such token');
    this.#tokens.delete(token);
    const hostKey = parsePublicKeyLine(host_public_key).blob;
    verifySshsig({
      message: enrolmentMessage(token),
      namespace: `enrol@${domain}`,
      publicKeyBlob: hostKey,
      armored: signature,
    });
    enrolled.hostKey = hostKey;
    enrolled.hostCertificate = this.hostCertificate(hostKey);
    const credential = randomBytes(32).toString('hex');
    this.#byCredential.set(credential, enrolled);
    return {
      companion_id: enrolled.id,
      name: enrolled.name,
      kind: enrolled.kind,
      credential,
      domain,
      user_authorities: [caLine(this.userCa)],
    };
  }

  async #send(stream: ServerResponse, enrolled: Enrolled): Promise<void> {
    write(stream, await this.#stateFor(enrolled));
  }

  /** New host certificates for everybody, in the next state. */
  renewHostCertificates(): void {
    for (const enrolled of this.#byCredential.values()) {
      if (enrolled.hostKey) enrolled.hostCertificate = this.hostCertificate(enrolled.hostKey);
    }
  }
}

export function caLine(key: GeneratedKey): string {
  return publicKeyLine({ type: 'ssh-ed25519', blob: key.publicKeyBlob });
}

function write(stream: ServerResponse, state: CompanionState): void {
  stream.write(`event: state\ndata: ${JSON.stringify(state)}\n\n`);
}

function reply(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
