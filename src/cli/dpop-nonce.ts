/**
 * The nonce that the server gave last for proofs of the key (RFC 9449 sections 8 and 9). It is kept beside the session, so
 * that the next command does not have to be sent away once to get one. It is no secret. A proof also says when it was
 * made: by the server's clock, as its replies tell it, because this machine's may be wrong.
 */
export interface DpopNonce {
  readonly latest: string | undefined;
  /** What a reply's DPoP-Nonce header says, if it has one. */
  remember(value: string | null): void;
  /** What was kept beside the session; a newer one of this run stays. */
  recall(value: string | null | undefined): void;
  /** How far the server's clock is ahead of this machine's; 0 as long as they differ by no more than replies take. */
  readonly clockOffsetSeconds: number;
  /** What a reply's Date header says (RFC 9110 section 6.6.1). */
  rememberDate(value: string | null): void;
}

/** Proofs that are off by so little are taken. */
const sameClockSeconds = 60;

/** RFC 9449 section 8.1: NQCHAR. */
const nonceForm = /^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/;

export function dpopNonce(): DpopNonce {
  let latest: string | undefined;
  let clockOffsetSeconds = 0;
  const remember = (value: string | null) => {
    if (value !== null && nonceForm.test(value)) latest = value;
  };
  return {
    get latest() {
      return latest;
    },
    get clockOffsetSeconds() {
      return clockOffsetSeconds;
    },
    rememberDate: (value) => {
      const offset = Math.round((Date.parse(value ?? '') - Date.now()) / 1000);
      if (Number.isNaN(offset)) return;
      clockOffsetSeconds = Math.abs(offset) > sameClockSeconds ? offset : 0;
    },
    remember,
    recall: (value) => {
      if (latest === undefined) remember(value ?? null);
    },
  };
}
