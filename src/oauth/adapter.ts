/**
 * What oidc-provider keeps, kept in our tables. Each model's rules differ in a few places, said at the method. Losing a
 * race is always the client's `invalid_grant`, never a server error.
 */
import Provider, { type Adapter, type AdapterFactory, type AdapterPayload, errors } from 'oidc-provider';
import type { Database } from '../database/database.ts';
import { admitPoll } from './device-poll.ts';
import { endGrant } from './end-grant.ts';
import { endOfGrant } from './helper-grant.ts';
import { useProofOnce } from './proof-store.ts';
import { consumeRecord, deleteRecord, findRecord, saveRecord } from './record-store.ts';
import { consumeRefreshToken, isWithinGrace, type Rotation, saveSuccessor } from './rotate-refresh-token.ts';
import { userCodeDigest } from './user-code.ts';

export interface AdapterParts {
  readonly db: Database;
  /** Of the digests of user codes. */
  readonly userCodeKey: Buffer;
  readonly clock: () => Date;
}

/** oidc-provider takes proofs up to this much older or younger than now. */
const proofWindowMilliseconds = 300_000;

export function createAdapterFactory(parts: AdapterParts): AdapterFactory {
  // One per token request, reached through its context: the models' methods are given no more than an id.
  const rotations = new WeakMap<object, Rotation>();
  return (model) => new RecordAdapter(model, parts, rotations);
}

class RecordAdapter implements Adapter {
  readonly #model: string;
  readonly #db: Database;
  readonly #userCodeKey: Buffer;
  readonly #clock: () => Date;
  readonly #rotations: WeakMap<object, Rotation>;

  constructor(model: string, { db, userCodeKey, clock }: AdapterParts, rotations: WeakMap<object, Rotation>) {
    this.#model = model;
    this.#db = db;
    this.#userCodeKey = userCodeKey;
    this.#clock = clock;
    this.#rotations = rotations;
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    // Everybody who comes logs in at the identity provider: no session of ours is ever found again. And whether a proof
    // was used is for upsert() to say, in the statement that notes it.
    if (this.#model === 'Session' || this.#model === 'ReplayDetection') return undefined;
    const record = await findRecord(this.#db, this.#model, id);
    if (this.#model === 'DeviceCode') await admitPoll(this.#db, id, record, this.#clock());
    if (record === undefined) return undefined;
    const { payload, consumptions, consumedAt } = record;
    if (this.#model === 'RefreshToken') {
      const usable = await isWithinGrace(this.#db, id, record, this.#clock());
      if (usable) this.#remember({ id, grantId: payload.grantId, observed: consumptions, consumed: false });
      return usable ? payload : { ...payload, consumed: unixSeconds(consumedAt ?? this.#clock()) };
    }
    return consumedAt === null ? payload : { ...payload, consumed: unixSeconds(consumedAt) };
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    if (this.#model === 'Session') return;
    const now = this.#clock();
    const longest = expiresIn === undefined ? null : new Date(now.getTime() + expiresIn * 1000);
    // A used one is kept until the session's end too, so that its coming back is noticed.
    const sessionEnd =
      this.#model === 'RefreshToken' && payload.grantId !== undefined
        ? await endOfGrant(this.#db, payload.grantId)
        : undefined;
    const expiresAt = sessionEnd ?? longest;
    if (this.#model === 'ReplayDetection') {
      const until = new Date((expiresAt ?? now).getTime() + proofWindowMilliseconds);
      if (await useProofOnce(this.#db, { scope: 'oauth', jti: id }, until)) return;
      throw new errors.InvalidGrant('DPoP proof JWT Replay detected');
    }
    const { userCode: typed } = payload;
    const userCode = typed === undefined ? {} : { userCode: userCodeDigest(this.#userCodeKey, typed) };
    const record = { model: this.#model, id, payload, expiresAt, ...userCode };
    const rotation = this.#model === 'RefreshToken' ? this.#rotation() : undefined;
    if (rotation?.consumed) await saveSuccessor(this.#db, rotation, record, now);
    else await saveRecord(this.#db, record);
  }

  async consume(id: string): Promise<void> {
    const now = this.#clock();
    if (this.#model !== 'RefreshToken') {
      if (await consumeRecord(this.#db, { model: this.#model, id, observed: 0 }, now)) return;
      throw new errors.InvalidGrant('another request used it at the same moment');
    }
    const rotation = this.#rotation();
    if (rotation?.id !== id) throw new errors.InvalidGrant('refresh token was not looked up');
    await consumeRefreshToken(this.#db, rotation, now);
    rotation.consumed = true;
  }

  /** Destroying a grant is what oidc-provider does on a revocation and on any reuse: the session ends with it. */
  async destroy(id: string): Promise<void> {
    if (this.#model === 'Session') return;
    if (this.#model === 'Grant') await endGrant(this.#db, id, endReason(), this.#clock());
    else await deleteRecord(this.#db, this.#model, id);
  }

  /** Nothing: the grant is destroyed in the same breath, and its end takes every artifact along in one transaction. */
  async revokeByGrantId(_grantId: string): Promise<void> {}

  async findByUid(_uid: string): Promise<undefined> {}

  /** Our own page looks for it. */
  async findByUserCode(_userCode: string): Promise<undefined> {}

  #remember(rotation: Rotation): void {
    if (Provider.ctx) this.#rotations.set(Provider.ctx, rotation);
  }

  #rotation(): Rotation | undefined {
    return Provider.ctx && this.#rotations.get(Provider.ctx);
  }
}

function endReason() {
  const oidc = Provider.ctx?.oidc;
  if (oidc?.route === 'revocation') return 'logout';
  return oidc?.params?.['grant_type'] === 'refresh_token' ? 'refresh_reused' : 'code_reused';
}

function unixSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
