/** By what people know the gateways and the CAs, put together for everybody. */
import type { SshInfo } from '../api/ssh-info.ts';
import type { CertificateAuthority } from '../ca/certificate-authority.ts';
import { enrolledMachines } from '../ca/enrolled-machine.ts';
import { hostNamesOf, hostSuffix } from '../ca/issue-host-certificate.ts';
import type { Database } from '../database/database.ts';
import { publishedGateways } from '../inventory/published-gateways.ts';
import { certAuthorityLine } from '../ssh/known-hosts.ts';
import { checkPublicKeyBlob, fingerprint, parsePublicKeyLine } from '../ssh/public-key.ts';

export async function sshInfo(
  db: Database,
  authority: Pick<CertificateAuthority, 'userAuthorities' | 'hostAuthorityLines' | 'domain'>,
): Promise<SshInfo> {
  const published = await publishedGateways(db);
  const machines = await enrolledMachines(
    db,
    published.map(({ id }) => id),
  );
  const gateways = published.map(({ id, name, address, ports, hostKey }) => {
    const machine = machines.get(id);
    return {
      name,
      address,
      host_names: machine === undefined ? [] : hostNamesOf(machine),
      ports: [...ports],
      host_keys: [shown(hostKey)],
    };
  });
  const patterns = [`*.${hostSuffix}`, ...new Set(gateways.flatMap(({ host_names }) => host_names))];
  const hostLines = await authority.hostAuthorityLines(db);
  const userLines = await authority.userAuthorities(db);
  return {
    suffix: hostSuffix,
    gateways,
    host_authorities: hostLines.map((line) => ({
      ...authorityOf(line),
      known_hosts: certAuthorityLine(
        patterns,
        parsePublicKeyLine(line),
        `sallyport host CA ${authority.domain}`,
      ),
    })),
    user_authorities: userLines.map(({ publicKeyLine }) => authorityOf(publicKeyLine)),
  };
}

function authorityOf(line: string) {
  return { ...shown(parsePublicKeyLine(line).blob), public_key: line };
}

function shown(blob: Buffer) {
  return { type: checkPublicKeyBlob(blob), fingerprint: fingerprint(blob) };
}
