/** Where the demo's identity provider keeps codes, tokens and interactions: in memory, gone with the process. */
import type { Adapter, AdapterPayload } from 'oidc-provider';

interface Entry {
  readonly payload: AdapterPayload;
  readonly expiresAt: number;
}

/** @returns what oidc-provider makes one instance of per kind of record */
export function memoryAdapter(clock: () => Date): new (kind: string) => Adapter {
  const entries = new Map<string, Entry>();

  return class MemoryAdapter implements Adapter {
    readonly #kind: string;

    constructor(kind: string) {
      this.#kind = kind;
    }

    async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
      const now = clock().getTime();
      for (const [key, { expiresAt }] of entries) if (expiresAt <= now) entries.delete(key);
      entries.set(this.#key(id), { payload, expiresAt: now + (expiresIn || 3600) * 1000 });
    }

    async find(id: string): Promise<AdapterPayload | undefined> {
      const entry = entries.get(this.#key(id));
      return entry && entry.expiresAt > clock().getTime() ? entry.payload : undefined;
    }

    async findByUid(uid: string): Promise<AdapterPayload | undefined> {
      return this.#first((payload) => payload.uid === uid);
    }

    async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
      return this.#first((payload) => payload.userCode === userCode);
    }

    async consume(id: string): Promise<void> {
      const payload = await this.find(id);
      if (payload) payload.consumed = Math.floor(clock().getTime() / 1000);
    }

    async destroy(id: string): Promise<void> {
      entries.delete(this.#key(id));
    }

    async revokeByGrantId(grantId: string): Promise<void> {
      for (const [key, { payload }] of entries) if (payload.grantId === grantId) entries.delete(key);
    }

    #key(id: string): string {
      return `${this.#kind}:${id}`;
    }

    #first(matches: (payload: AdapterPayload) => boolean): AdapterPayload | undefined {
      for (const [key, { payload }] of entries) {
        if (key.startsWith(`${this.#kind}:`) && matches(payload)) return payload;
      }
      return undefined;
    }
  };
}
