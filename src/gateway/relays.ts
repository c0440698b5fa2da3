/**
 * The second legs of relayed connections: for each session a key of its own, which the CA certifies for one host and a
 * minute, held by an agent that signs one login.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '../files/write-file.ts';
import { certAuthorityLine } from '../ssh/known-hosts.ts';
import { generateEd25519 } from '../ssh/openssh-private-key.ts';
import { parsePublicKeyLine } from '../ssh/public-key.ts';
import { type Connection, connectionKey } from './connection-file.ts';
import type { Facts } from './decide-offer.ts';
import { type HopAgent, openHopAgent } from './hop-agent.ts';
import { type HopClient, requestHopCertificate } from './hop-client.ts';
import type { KnownTarget } from './login-names.ts';
import type { RelayReply } from './route-reply.ts';
import { sessionUser } from './session-user.ts';
import { relayWelcome } from './welcome.ts';

export type Leg = Pick<RelayReply, 'alias' | 'knownHosts' | 'agent' | 'welcome'>;

export interface RelaysOptions {
  readonly client: HopClient;
  readonly runFolder: string;
  /** The same folder as the sessions of sshd see it. */
  readonly folderInSessions: string;
}

/** What host certificates name targets: `<target name>.sallyport`. */
const hostSuffix = 'sallyport';
/** From the certificate to the login at the host: connecting is given up after 10 s (route.sh). */
const loginMilliseconds = 20_000;
const agentsFolder = 'agents';
const knownHostsFile = 'known_hosts';

export class Relays {
  readonly #options: RelaysOptions;
  readonly #agents = new Map<HopAgent, string>();
  #writtenAuthorities = '';

  constructor(options: RelaysOptions) {
    this.#options = options;
  }

  /** Makes the folder, empty: keys of an earlier companion went with it. */
  async prepare(): Promise<void> {
    const folder = join(this.#options.runFolder, agentsFolder);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    await chmod(folder, 0o711);
  }

  /** @throws the CA's refusal; unavailable if it can't be asked */
  async open(connection: Connection, target: KnownTarget, facts: Facts, gone: AbortSignal): Promise<Leg> {
    const key = generateEd25519();
    const { client, runFolder, folderInSessions } = this.#options;
    const { offer } = connection;
    const asked = { offer, target: target.targetName, key, signal: gone };
    const { certificate, sessionExpiresAtSeconds } = await requestHopCertificate(client, asked);
    await this.#writeAuthorities(facts.state.host_authorities);
    const owner = await ownerOf(connection);
    const name = join(agentsFolder, randomBytes(8).toString('hex'));
    const agent: HopAgent = await openHopAgent({
      path: join(runFolder, name),
      owner,
      key,
      certificate,
      login: target.login,
      lifetimeMilliseconds: loginMilliseconds,
      lingers: target.forwarding.agent,
      onClosed: () => this.#agents.delete(agent),
    });
    this.#agents.set(agent, connectionKey(connection));
    return {
      alias: `${target.targetName}.${hostSuffix}`,
      knownHosts: join(folderInSessions, knownHostsFile),
      agent: join(folderInSessions, name),
      welcome: relayWelcome(sessionExpiresAtSeconds),
    };
  }

  /** What was made for a connection that is gone goes too. @param key the connection's */
  forget(key: string): void {
    for (const [agent, connection] of this.#agents) if (connection === key) agent.close();
  }

  close(): void {
    for (const agent of this.#agents.keys()) agent.close();
  }

  /** Whom the second leg believes that a host is the one it says. */
  async #writeAuthorities(lines: readonly string[]): Promise<void> {
    const text = lines
      .map((line) => `${certAuthorityLine([`*.${hostSuffix}`], parsePublicKeyLine(line), 'host CA')}\n`)
      .join('');
    if (text === this.#writtenAuthorities) return;
    await writeFileAtomically(join(this.#options.runFolder, knownHostsFile), text, { mode: 0o644 });
    this.#writtenAuthorities = text;
  }
}

/** Undefined: this very user, where everybody logs in as the one that runs the companion. */
async function ownerOf(connection: Connection) {
  return process.getuid?.() === 0 ? await sessionUser(connection) : undefined;
}
