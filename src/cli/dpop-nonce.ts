/**
 * The nonce that the server gave last for proofs of the key (RFC 9449 sections 8 and 9). It is kept beside the session, so
 * that the next command does not have to be sent away once to get one. It is no secret.
 */
export interface DpopNonce {
  readonly latest: string | undefined;
  /** What a reply's DPoP-Nonce header says, if it has one. */
  remember(value: string | null): void;
  /** What was kept beside the session; a newer one of this run stays. */
  recall(value: string | null | undefined): void;
}

/** RFC 9449 section 8.1: NQCHAR. */
const nonceForm = /^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/;

export function dpopNonce(): DpopNonce {
  let latest: string | undefined;
  const remember = (value: string | null) => {
    if (value !== null && nonceForm.test(value)) latest = value;
  };
  return {
    get latest() {
      return latest;
    },
    remember,
    recall: (value) => {
      if (latest === undefined) remember(value ?? null);
    },
  };
}
