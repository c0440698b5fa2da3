/**
 * What `sally inspect --json` prints, as docs/certificates.md describes it. Names are stable: members may be added, and
 * none changes its meaning. Texts are as they were found, escaped in JSON's way to printable ASCII; what is not UTF-8
 * is read as Latin-1. Times are unix seconds; serials, which may exceed 2^53, are decimal text.
 */

export interface InspectDocument {
  /** The path, "-" for standard input. */
  readonly file: string;
  readonly found: readonly FoundDocument[];
}

export type FoundDocument =
  | CertificateDocument
  | PublicKeyDocument
  | KrlDocument
  | SignatureDocument
  | UnreadableDocument;

/** Where in the file something stood; null in files without lines. */
interface Placed {
  readonly line: number | null;
}

/** What stood around a key on its line: options of authorized_keys, marker and hosts of known_hosts. */
interface OnALine extends Placed {
  readonly before: string | null;
  readonly comment: string | null;
}

export interface KeyFacts {
  readonly type: string;
  /** What `ssh-keygen -l` calls the type. */
  readonly label: string;
  readonly bits: number | null;
  readonly fingerprint_sha256: string;
  readonly fingerprint_md5: string;
  /** Why Sallyport would refuse this key. */
  readonly problem: string | null;
}

export interface CertificateDocument extends OnALine {
  readonly kind: 'certificate';
  /** `canary` and `hop` are user certificates of Sallyport with a purpose of their own; null: neither user nor host. */
  readonly purpose: 'user' | 'host' | 'hop' | 'canary' | null;
  readonly type: string;
  readonly public_key: KeyFacts;
  readonly signed_by: KeyFacts & {
    readonly signature_algorithm: string;
    /** Whether this key made the signature, which does not say whether anybody trusts the key. */
    readonly signature_valid: boolean;
  };
  readonly key_id: string;
  /** The two halves of a key ID of Sallyport. */
  readonly account: string | null;
  readonly session_id: string | null;
  readonly serial: string;
  /** null: since ever. */
  readonly valid_after: number | null;
  /** null: for ever. */
  readonly valid_before: number | null;
  readonly validity: 'valid' | 'expired' | 'not_yet_valid' | 'never_valid';
  readonly principals: readonly { readonly name: string; readonly meaning: string }[];
  readonly critical_options: readonly OptionDocument[];
  readonly extensions: readonly OptionDocument[];
  /** The JSON of `claims@DOMAIN`. */
  readonly claims: ClaimsDocument | null;
  /** The JSON of `mfa@DOMAIN`. */
  readonly mfa: ClaimsDocument | null;
  readonly warnings: readonly Warning[];
}

export interface OptionDocument {
  readonly name: string;
  /** '' for a flag; null where the data is not one text. */
  readonly value: string | null;
  /** All of the data in hexadecimal. */
  readonly data: string;
  /** null: nobody here knows it. */
  readonly meaning: string | null;
}

export interface ClaimsDocument {
  /** After the @ of the extension's name. */
  readonly domain: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface Warning {
  readonly code: string;
  readonly message: string;
}

export interface PublicKeyDocument extends OnALine {
  readonly kind: 'public_key';
  readonly public_key: KeyFacts;
}

export interface KrlDocument extends Placed {
  readonly kind: 'krl';
  readonly version: string;
  /** null for a time that no calendar has. */
  readonly generated_at: number | null;
  readonly comment: string;
  readonly bytes: number;
  readonly sections: readonly KrlSectionDocument[];
  /** Fingerprints of keys that are revoked as such, with everything they signed. */
  readonly keys: readonly string[];
  /** Keys revoked by the SHA-1 or SHA-256 of their blob, in hexadecimal. */
  readonly sha1: readonly string[];
  readonly sha256: readonly string[];
}

export interface KrlSectionDocument {
  /** null: certificates of whatever CA. */
  readonly ca: KeyFacts | null;
  readonly serial_count: string;
  /** Both ends included. */
  readonly serials: readonly { readonly from: string; readonly to: string }[];
  readonly key_ids: readonly string[];
}

export interface SignatureDocument extends Placed {
  readonly kind: 'signature';
  readonly namespace: string;
  readonly hash_algorithm: string;
  readonly signature_algorithm: string;
  readonly public_key: KeyFacts;
}

export interface UnreadableDocument extends Placed {
  readonly kind: 'unreadable';
  readonly problem: string;
}
