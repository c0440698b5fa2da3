/** Where the system keeps secrets for its programs: one small secret under one name. */
export interface Keychain {
  /** What the person knows it as. */
  readonly name: string;
  /** Undefined: it holds none of that name. @throws keychain_failed */
  read(item: string): Promise<string | undefined>;
  /** @throws keychain_failed */
  write(item: string, secret: string): Promise<void>;
  /** @throws keychain_failed */
  remove(item: string): Promise<void>;
}
