import type { CurrentPair } from './current-pair.ts';
import { renewalDueAt } from './schedule.ts';

/** The certificate as scripts are told of it. */
export function certificateDocument(pair: CurrentPair) {
  return {
    path: pair.certificatePath,
    serial: pair.serial,
    key_id: pair.keyId,
    principals: pair.principals,
    valid_after: pair.validAfter,
    valid_before: pair.validBefore,
    renewal_due_at: renewalDueAt(pair),
  };
}
