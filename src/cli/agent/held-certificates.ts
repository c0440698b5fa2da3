/**
 * The keys and certificates of the agent, which are in its memory and nowhere else: one for everything, and one for each
 * machine that a client has proven to talk to. Made when they are asked for, by one request however many clients ask at
 * once; what is about to end is made anew, and what was made for another login is gone.
 */
import { type KeyObject, randomUUID } from 'node:crypto';
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { parseCertificateLine } from '../../ssh/parse-certificate.ts';
import { publicKeyBlobOf } from '../../ssh/public-key.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import { fileKeyType, makeFileKey } from '../hardware/file-key.ts';
import { requestCertificate } from '../request-certificate.ts';
import { readSessionFacts } from '../session-file.ts';
import { endedByServer, rememberOver } from '../session-over.ts';
import { withFreshTokens } from '../signed-in.ts';
import { withStateLock } from '../state-folder.ts';
import type { KnownMachine } from './known-machines.ts';

export interface HeldCertificate {
  /** Blob of the certificate. */
  readonly blob: Buffer;
  readonly privateKey: KeyObject;
  readonly account: string;
  /** undefined: good everywhere. */
  readonly machine: KnownMachine | undefined;
  readonly serial: string;
  /** Unix seconds. */
  readonly validAfter: number;
  readonly validBefore: number;
}

/** With less left a certificate may be over before sshd has looked at it. */
const usableSeconds = 30;
/** After a failure the server is not asked again before this is over. */
const patienceSeconds = 15;
/** A renewal is due when this part of a certificate's life is left. */
const partLeft = 1 / 6;

interface Slot {
  held: HeldCertificate | undefined;
  making: Promise<void> | undefined;
  /** Nothing is made before. */
  notBefore: number;
  /** There is none because somebody has said so, not because nobody could be asked. */
  isRefused: boolean;
}

export class HeldCertificates {
  readonly #context: () => SallyContext;
  readonly #slots = new Map<string, Slot>();
  /** Whose they are. */
  #login: string | undefined;
  /** A login that was told to offer nothing more here. */
  #withheld: string | undefined;

  /** @param context as it is now: the active profile changes */
  constructor(context: () => SallyContext) {
    this.#context = context;
  }

  /** For a machine its own; the general one, if that is still good, while the server is away. */
  async offered(machine: KnownMachine | undefined): Promise<HeldCertificate | undefined> {
    const context = this.#context();
    if (!(await this.#isLoggedIn(context))) return undefined;
    const slot = this.#slotOf(machine);
    if (isDue(slot, nowSeconds(context))) {
      slot.making ??= this.#make(context, slot, machine).finally(() => {
        slot.making = undefined;
      });
      await slot.making;
      // The session may be over by now.
      if (!(await this.#isLoggedIn(context))) return undefined;
    }
    const { isRefused } = slot;
    return this.#usable(slot) ?? (isRefused ? undefined : this.#usable(this.#slots.get(everywhere)));
  }

  /** Held already; nothing is made. */
  async find(blob: Buffer): Promise<HeldCertificate | undefined> {
    if (!(await this.#isLoggedIn(this.#context()))) return undefined;
    return this.all().find((held) => held.blob.equals(blob));
  }

  /** What is held and good. */
  all(): HeldCertificate[] {
    return [...this.#slots.values()].flatMap((slot) => this.#usable(slot) ?? []);
  }

  /** Until it would have ended nothing is made in its place. @returns whether there was such a one */
  remove(blob: Buffer): boolean {
    for (const slot of this.#slots.values()) {
      if (!slot.held?.blob.equals(blob)) continue;
      slot.notBefore = slot.held.validBefore;
      slot.held = undefined;
      slot.isRefused = true;
      return true;
    }
    return false;
  }

  /** Nothing more for this login. */
  removeAll(): void {
    this.#slots.clear();
    this.#withheld = this.#login;
  }

  /** The login that this was about is over: it is looked at anew. */
  forget(): void {
    this.#slots.clear();
    this.#login = undefined;
  }

  async #isLoggedIn(context: SallyContext): Promise<boolean> {
    const session = await readSessionFacts(context).catch((error) => {
      context.debug.say(`agent: session.json: ${error}`);
      return undefined;
    });
    const isLive = session?.has_tokens && session.expires_at > nowSeconds(context);
    const login = isLive ? `${context.paths.profile} ${session.session_id}` : undefined;
    if (login !== this.#login) {
      this.#slots.clear();
      this.#login = login;
    }
    return login !== undefined && login !== this.#withheld;
  }

  #slotOf(machine: KnownMachine | undefined): Slot {
    const name = machine?.fingerprint ?? everywhere;
    const slot = this.#slots.get(name) ?? noSlot();
    this.#slots.set(name, slot);
    return slot;
  }

  #usable(slot: Slot | undefined): HeldCertificate | undefined {
    const held = slot?.held;
    return held && held.validBefore - usableSeconds > nowSeconds(this.#context()) ? held : undefined;
  }

  async #make(context: SallyContext, slot: Slot, machine: KnownMachine | undefined): Promise<void> {
    const about = machine?.names[0] ?? 'everything';
    try {
      slot.held = await mint(context, machine);
      slot.isRefused = false;
      context.debug.say(`agent: certificate ${slot.held.serial} for ${about}`);
    } catch (error) {
      if (!isSallyportError(error)) throw error;
      slot.notBefore = nowSeconds(context) + patienceSeconds;
      slot.isRefused = error.status < 500;
      context.debug.say(`agent: no certificate for ${about}: ${error.code}: ${error.message}`);
    }
  }
}

const everywhere = '';

function noSlot(): Slot {
  return { held: undefined, making: undefined, notBefore: 0, isRefused: false };
}

function isDue({ held, notBefore }: Slot, now: number): boolean {
  if (now < notBefore) return false;
  if (!held) return true;
  return held.validBefore - now < (held.validBefore - held.validAfter) * partLeft;
}

async function mint(context: SallyContext, machine: KnownMachine | undefined): Promise<HeldCertificate> {
  const session = await withFreshTokens(context);
  const privateKey = makeFileKey(await fileKeyType(context, { kind: 'file' }));
  const publicKeyBlob = publicKeyBlobOf(privateKey);
  const line = await requestCertificate(context, session, {
    requestId: randomUUID(),
    privateKey,
    publicKeyBlob,
    machine: machine?.fingerprint,
  }).catch(async (error) => {
    if (isSallyportError(error) && endedByServer(error) && !context.machine) {
      await withStateLock(context.paths, () => rememberOver(context));
    }
    throw error;
  });
  const { blob, serial, validAfter, validBefore } = parseCertificateLine(line);
  return {
    blob,
    privateKey,
    account: session.account,
    machine,
    serial: `${serial}`,
    validAfter: Number(validAfter),
    validBefore: Number(validBefore),
  };
}
