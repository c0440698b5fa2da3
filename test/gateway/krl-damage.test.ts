import { lstat, readFile, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CompanionState } from '../../src/api/companions.ts';
import { checkState } from '../../src/gateway/check-state.ts';
import { DecisionBasis } from '../../src/gateway/decision-basis.ts';
import { ensureHostKey } from '../../src/gateway/host-key.ts';
import type { LogEntry } from '../../src/gateway/log.ts';
import { companionPaths } from '../../src/gateway/paths.ts';
import { findPrograms } from '../../src/gateway/programs.ts';
import { StateInstaller } from '../../src/gateway/state-installer.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { RevokingSshd } from '../interop/revoking-sshd.ts';
import { temporaryFolder } from '../interop/ssh-keygen.ts';
import {
  type Authorities,
  accepted,
  type Damage,
  damages,
  type Effect,
  goodKrl,
  revoked,
} from './krl-damage.ts';
import { caLine, domain, nowSeconds, TestAuthority } from './test-authority.ts';
import { hasSshd } from './test-world.ts';

const companionId = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
/** By who of the two gets in, the revoked one being first in line. */
const effects: Readonly<Record<string, Effect>> = {
  revoked: 'everybody gets in',
  accepted: 'in force',
  nobody: 'nobody gets in',
};

/** Of everybody to read. */
const regularFile = 0o100_644;

interface Outcome {
  /** What sshd made of the damaged file. */
  readonly effect: Effect | undefined;
  /** What was said of the wrong bytes as a download with the signature over the right ones, … */
  readonly changedOnTheWay: string;
  /** … and with a signature of the right key over the wrong bytes. */
  readonly signed: string;
  readonly isToldHealed: boolean;
  /** Whether the file is then the good one, to the byte and its mode, which sshd is asked about at each lane's end. */
  readonly isHealed: boolean;
}

/** An sshd and the installer of its files. sshd takes its time over a refusal, by intent, so there are several. */
class Lane {
  readonly #folder = temporaryFolder();
  readonly #authority = new TestAuthority();
  readonly #sshd = new RevokingSshd(this.#folder, this.#authority.userCa);
  readonly #paths = companionPaths(this.#folder.path('state'), this.#folder.path('run'));
  readonly #logged: LogEntry[] = [];
  readonly #at: Authorities = {
    version: this.#authority.krlVersion,
    ca: this.#authority.userCa.publicKeyBlob,
    otherCa: this.#sshd.otherAuthority.publicKeyBlob,
  };
  readonly #good = goodKrl(this.#at);
  readonly #visitors = [
    this.#sshd.visitor('revoked', { serial: revoked }),
    this.#sshd.visitor('accepted', { serial: accepted }),
  ];
  #hostPublicKey = '';
  #installer: StateInstaller | undefined;

  async start(): Promise<void> {
    const { sshKeygen } = findPrograms();
    this.#hostPublicKey = await ensureHostKey(this.#paths.stateFolder, this.#paths.hostKey, sshKeygen);
    this.#installer = new StateInstaller({
      paths: this.#paths,
      enrolment: {
        format: 1,
        companionId,
        name: 'gateway',
        kind: 'gateway',
        credential: 'unused',
        serverUrl: 'http://localhost:1',
        domain,
        userAuthorities: this.#pinned(),
      },
      hostPublicKey: this.#hostPublicKey,
      sshKeygen,
      names: undefined,
      basis: new DecisionBasis({ nowSeconds, maximumStalenessSeconds: null }),
      log: (entry) => this.#logged.push(entry),
      onHostCertificate: () => {},
    });
    await this.#installer.install(await this.#state(this.#good, this.#good));
    await this.#sshd.start(this.#paths.revokedKeys);
  }

  stop(): Promise<void> {
    return this.#sshd.stop();
  }

  async try({ bytes, replace, effect }: Damage): Promise<Outcome> {
    const { revokedKeys } = this.#paths;
    const wrong = bytes?.(this.#good, this.#at);
    const changedOnTheWay = wrong ? await this.#offer(wrong, this.#good) : '';
    const signed = wrong ? await this.#offer(wrong, wrong) : '';

    this.#logged.length = 0;
    await rm(revokedKeys);
    await (wrong ? writeFile(revokedKeys, wrong) : replace?.(revokedKeys, this.#good));
    const seen = effect === 'not asked' ? effect : await this.ask();
    await this.#installer?.heal();
    // Not what a link leads to.
    const { mode } = await lstat(revokedKeys);
    return {
      effect: seen,
      changedOnTheWay,
      signed,
      isToldHealed: this.#logged.some(({ event }) => event === 'files.healed'),
      isHealed: mode === regularFile && this.#good.equals(await readFile(revokedKeys)),
    };
  }

  async ask(): Promise<Effect | undefined> {
    return effects[await this.#sshd.whoGetsIn(...this.#visitors)];
  }

  /** What is said about a state with this list: 'taken', or why not. */
  async #offer(krl: Buffer, signedBytes: Buffer): Promise<string> {
    const version = this.#authority.version;
    const state = await this.#state(krl, signedBytes);
    try {
      checkState(state, {
        companionId,
        domain,
        pinned: this.#pinned(),
        compromised: [],
        versions: { state: version, krl: this.#at.version },
        hostPublicKey: this.#hostPublicKey,
      });
      return 'taken';
    } catch (error) {
      return String((error as { code?: unknown }).code);
    }
  }

  async #state(krl: Buffer, signedBytes: Buffer): Promise<CompanionState> {
    const authority = this.#authority;
    const authorities = [authority.userCa, this.#sshd.otherAuthority];
    return {
      format: 1,
      version: `${authority.version}`,
      companion: { id: companionId, name: 'gateway', kind: 'gateway', gateway_login: null },
      generated_at: nowSeconds(),
      user_authorities: authorities.map((key) => ({
        public_key: caLine(key),
        canary: authority.canary(key).line,
      })),
      krl: {
        version: `${this.#at.version}`,
        data: krl.toString('base64'),
        signature: await authority.signKrl(`${this.#at.version}`, signedBytes),
      },
      host_certificate: authority.hostCertificate(parsePublicKeyLine(this.#hostPublicKey).blob),
      targets: [],
      accounts: [],
      access_rules: [],
      services: [],
      host_authorities: [],
      registered_keys: [],
      leases: [],
      ended_sessions: [],
      public_url: 'http://localhost:1',
    };
  }

  #pinned(): string[] {
    return [caLine(this.#authority.userCa), caLine(this.#sshd.otherAuthority)];
  }
}

describe.skipIf(!hasSshd)('a KRL file that is wrong (needs openssh-server)', () => {
  const outcomes = new Map<string, Outcome>();
  const effectAtTheEnd: (Effect | undefined)[] = [];
  const lanes = Array.from({ length: 6 }, () => new Lane());
  beforeAll(async () => {
    const waiting = [...damages];
    await Promise.all(
      lanes.map(async (lane) => {
        await lane.start();
        for (let next = waiting.shift(); next; next = waiting.shift())
          outcomes.set(next.name, await lane.try(next));
        effectAtTheEnd.push(await lane.ask());
      }),
    );
  });
  afterAll(async () => {
    await Promise.all(lanes.map((lane) => lane.stop()));
  });

  test('there are more than sixty, each of another name', () => {
    expect(damages.length).toBeGreaterThan(60);
    expect(outcomes.size).toBe(damages.length);
  });

  test('what is healed is in force with sshd', () => {
    expect(effectAtTheEnd).toEqual(lanes.map(() => 'in force'));
  });

  test.each(damages.map((damage) => [damage.name, damage.effect, damage] as const))(
    '[abuse 104] %s (%s): noticed and healed',
    (name, effect, { bytes, onlySignatureTells }) => {
      const outcome = outcomes.get(name);
      expect(outcome).toMatchObject({ effect, isToldHealed: true, isHealed: true });
      if (bytes === undefined) return;
      expect(outcome?.changedOnTheWay).toBe('signature_invalid');
      if (onlySignatureTells) expect(outcome?.signed).toBe('taken');
      else expect(['krl_malformed', 'install_failed', 'signature_invalid']).toContain(outcome?.signed);
    },
  );
});
