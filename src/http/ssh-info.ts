/** By what people know the gateways and the CAs, put together for everybody. */
import type { SshInfo } from '../api/ssh-info.ts';
import type { CertificateAuthority } from '../ca/certificate-authority.ts';
import { enrolledMachines } from '../ca/enrolled-machine.ts';
import { hostNamesOf, hostSuffix } from '../ca/issue-host-certificate.ts';
import type { Database } from '../database/database.ts';
import { type PublishedGateway, publishedGateways } from '../inventory/published-gateways.ts';
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
  const namesOf = ({ id }: PublishedGateway) => {
    const machine = machines.get(id);
    return machine === undefined ? [] : hostNamesOf(machine);
  };
  const gateways = published.map((gateway) => ({
    name: gateway.name,
    address: gateway.address,
    host_names: namesOf(gateway),
    ports: [...gateway.ports],
    host_keys: [shown(gateway.hostKey)],
  }));
  // People of every organization read the line: what one of them calls its gateways must not count for all the others.
  const believed = published.flatMap((gateway) =>
    namesOf(gateway).filter((host) => isBelowOne(host, gateway.domains)),
  );
  const patterns = [`*.${hostSuffix}`, ...new Set(believed)];
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

function isBelowOne(host: string, domains: readonly string[]): boolean {
  return domains.some((domain) => host === domain || host.endsWith(`.${domain}`));
}

function authorityOf(line: string) {
  return { ...shown(parsePublicKeyLine(line).blob), public_key: line };
}

function shown(blob: Buffer) {
  return { type: checkPublicKeyBlob(blob), fingerprint: fingerprint(blob) };
}
