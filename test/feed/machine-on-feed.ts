/** A companion without an sshd of its own: it enrols, installs what a feed sends it, and acknowledges. */
import { join } from 'node:path';
import type { CompanionState } from '../../src/api/companions.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import type { Feed } from '../../src/feed/feed.ts';
import { ensurePrivateFolder } from '../../src/files/write-file.ts';
import { DecisionBasis } from '../../src/gateway/decision-basis.ts';
import { type CompanionPaths, companionPaths } from '../../src/gateway/paths.ts';
import { StateInstaller } from '../../src/gateway/state-installer.ts';
import { companionById } from '../../src/inventory/companion.ts';
import { createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { enrolmentBody, type TestServer } from '../http/test-server.ts';

export interface MachineOnFeed {
  readonly companionId: string;
  readonly paths: CompanionPaths;
  readonly installer: StateInstaller;
  /** Why states were refused. */
  readonly problems: string[];
  /** From now on it hears this feed. */
  listen(feed: Feed): Promise<void>;
  /** Hears nothing any more. */
  leave(): void;
  /** The first state that is installed and like this. */
  installed(wanted: (state: CompanionState) => boolean): Promise<CompanionState>;
}

/** @param folder for its files; whoever made it removes it */
export async function machineOnFeed(
  server: TestServer,
  companionId: string,
  folder: string,
): Promise<MachineOnFeed> {
  const { database, clock, publicUrl } = server;
  const token = await inTransaction(database.db, (tx) =>
    createEnrolmentToken(tx, companionId, { now: clock.now, lifetimeSeconds: 600 }),
  );
  const hostKey = generateEd25519();
  const reply = await server.call('POST', '/v1/companions/enrol', {
    body: await enrolmentBody(token, publicUrl.hostname, hostKey),
  });
  if (reply.statusCode !== 200) throw new Error(reply.body);
  const { credential, domain, user_authorities, name, kind } = reply.json();

  const paths = companionPaths(join(folder, 'state'), join(folder, 'run'));
  await ensurePrivateFolder(paths.stateFolder);
  const nowSeconds = () => Math.floor(clock.now.getTime() / 1000);
  const installer = new StateInstaller({
    paths,
    enrolment: {
      format: 1,
      companionId,
      name,
      kind,
      credential,
      domain,
      serverUrl: publicUrl.href,
      userAuthorities: user_authorities,
    },
    hostPublicKey: publicKeyLine({ blob: hostKey.publicKeyBlob }),
    sshKeygen: '/usr/bin/ssh-keygen',
    names: undefined,
    basis: new DecisionBasis({ nowSeconds, maximumStalenessSeconds: null }),
    log: () => {},
    onHostCertificate: () => {},
  });

  const problems: string[] = [];
  const waiting = new Set<(state: CompanionState) => void>();
  let queue = Promise.resolve();
  let leave = () => {};
  const take = async (feed: Feed, state: CompanionState): Promise<void> => {
    const problem = await installer.install(state).then(
      () => null,
      (error: unknown) => String(error),
    );
    const { installed } = installer;
    if (problem !== null) problems.push(problem);
    if (installed === undefined) return;
    for (const look of waiting) look(installed);
    await feed.acknowledge(companionId, {
      version: installed.version,
      krl_version: installed.krl.version,
      connections_ended: 0,
      problem,
    });
  };
  return {
    companionId,
    paths,
    installer,
    problems,
    async listen(feed) {
      const { enrolledAt } = await companionById(database.db, companionId);
      const subscription = await feed.subscribe(
        { companionId, enrolledAt: enrolledAt ?? clock.now },
        {
          send: (state) => {
            queue = queue.then(() => take(feed, state)).catch((error) => void problems.push(String(error)));
          },
          end: () => {},
        },
      );
      leave = () => subscription.close();
    },
    leave: () => leave(),
    installed: (wanted) =>
      new Promise((resolve) => {
        const look = (state: CompanionState) => {
          if (!wanted(state)) return;
          waiting.delete(look);
          resolve(state);
        };
        waiting.add(look);
        if (installer.installed) look(installer.installed);
      }),
  };
}
