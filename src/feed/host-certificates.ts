/** Host certificates as companions get them: one is used until half its time is over or its host's record changes. */
import { parseCertificateLine } from '../ssh/parse-certificate.ts';

export interface HostRecord {
  readonly companionId: string;
  /** Changes when the certificate must: host key and names. */
  readonly fingerprint: string;
}

interface Issued {
  readonly fingerprint: string;
  readonly renewAtSeconds: number;
  readonly line: Promise<string>;
}

export function createHostCertificates(issue: (companionId: string) => Promise<string>, clock: () => Date) {
  const issued = new Map<string, Issued>();

  async function renewed({ companionId, fingerprint }: HostRecord): Promise<string> {
    const line = await issue(companionId);
    const { validAfter, validBefore } = parseCertificateLine(line);
    const renewAtSeconds = Number((validAfter + validBefore) / 2n);
    issued.set(companionId, { fingerprint, renewAtSeconds, line: Promise.resolve(line) });
    return line;
  }

  return {
    async certificateFor(host: HostRecord): Promise<string> {
      const held = issued.get(host.companionId);
      const nowSeconds = clock().getTime() / 1000;
      if (held?.fingerprint === host.fingerprint && nowSeconds < held.renewAtSeconds) return await held.line;
      // Those who ask meanwhile wait for the same one.
      const line = renewed(host);
      issued.set(host.companionId, { fingerprint: host.fingerprint, renewAtSeconds: Infinity, line });
      line.catch(() => issued.delete(host.companionId));
      return await line;
    },
  };
}
