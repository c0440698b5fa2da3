/** The certificates that docs/certificates.md shows, made by the CA itself with its clock at a fixed moment. */
import { hopInventory, hopRequest } from '../ca/hop-inventory.ts';
import { requestFor, type SampleAuthority } from '../ca/sample-authority.ts';

export interface ExampleCertificates {
  /** Lines of -cert.pub files. */
  readonly user: string;
  readonly host: string;
  readonly hop: string;
  readonly canary: string;
}

export async function exampleCertificates(sample: SampleAuthority): Promise<ExampleCertificates> {
  const { authority } = sample;
  const { sessionId, accountId } = await sample.person('alice');
  const { certificate: user } = await authority.issueUserCertificate({
    sessionId,
    request: await requestFor(authority, sessionId),
  });
  const { hostId, gatewayId, targetName } = await hopInventory(sample, accountId);
  const hop = await authority.issueHopCertificate({
    companionId: gatewayId,
    request: await hopRequest(gatewayId, { source_certificate: user, target: targetName }),
  });
  const [trusted] = await authority.userAuthorities();
  return {
    user,
    host: await authority.issueHostCertificate(hostId),
    hop: hop.certificate,
    canary: trusted?.canaryLine ?? '',
  };
}
