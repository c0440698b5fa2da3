/** A person at a machine of the network: a key, a certificate of the real CA, and a configuration for the real ssh. */
import { certAuthorityLine } from '../../src/ssh/known-hosts.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parsePublicKeyLine, publicKeyLine } from '../../src/ssh/public-key.ts';
import { requestFor } from '../ca/sample-authority.ts';
import type { TestPerson, TestServer } from '../http/test-server.ts';
import type { Finished, Machine, RunOptions } from './machine.ts';

export interface ReachedHost {
  /** What the person types. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** The name in its host certificate. */
  readonly certifiedName: string;
}

export class PersonAtMachine {
  readonly person: TestPerson;
  readonly machine: Machine;
  readonly folder: string;
  serial = '';

  constructor(person: TestPerson, machine: Machine) {
    this.person = person;
    this.machine = machine;
    this.folder = `/root/${person.account}`;
  }

  /** A new key with a new certificate. */
  async certify({ authority }: TestServer): Promise<void> {
    const key = generateEd25519();
    const request = await requestFor(authority, this.person.sessionId, key);
    const reply = await authority.issueUserCertificate({ sessionId: this.person.sessionId, request });
    this.serial = reply.serial;
    await this.machine.write(`${this.folder}/id`, key.openssh('test'), '0600');
    await this.machine.write(
      `${this.folder}/id.pub`,
      `${publicKeyLine({ type: 'ssh-ed25519', blob: key.publicKeyBlob })}\n`,
    );
    await this.machine.write(`${this.folder}/id-cert.pub`, `${reply.certificate}\n`);
  }

  async configure({ authority }: TestServer, hosts: readonly ReachedHost[]): Promise<void> {
    const authorities = await authority.hostAuthorityLines();
    const lines = authorities.map((line) =>
      certAuthorityLine(['*.sallyport'], parsePublicKeyLine(line), 'host CA'),
    );
    await this.machine.write(`${this.folder}/known_hosts`, lines.map((line) => `${line}\n`).join(''));
    const stanzas = hosts.map(
      ({ name, address, port, certifiedName }) =>
        `Host ${name}\n  HostName ${address}\n  Port ${port}\n  HostKeyAlias ${certifiedName}\n`,
    );
    const everywhere = [
      'Host *',
      `IdentityFile ${this.folder}/id`,
      'IdentitiesOnly yes',
      'BatchMode yes',
      'StrictHostKeyChecking yes',
      `UserKnownHostsFile ${this.folder}/known_hosts`,
      'GlobalKnownHostsFile /dev/null',
      'PreferredAuthentications publickey',
      'LogLevel ERROR',
    ];
    await this.machine.write(`${this.folder}/config`, `${stanzas.join('')}${everywhere.join('\n  ')}\n`);
  }

  /** The arguments of ssh, scp, sftp and `rsync -e`. */
  get options(): string[] {
    return ['-F', `${this.folder}/config`];
  }

  async ssh(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return await this.machine.run(['/usr/bin/ssh', ...this.options, ...args], options);
  }
}
