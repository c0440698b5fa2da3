/** A gateway that takes one-time codes, in front of a host: a listener of its own with PAM, in a namespace of its own. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LocalSshd, startLocalSshd } from '../../src/dev/local-sshd.ts';
import { inNamespace } from '../../src/dev/local-sshd-namespace.ts';
import { codeListenerConfiguration, pamService } from '../../src/gateway/code-listener-configuration.ts';
import { type CodePaths, codePaths, codeService } from '../../src/gateway/code-paths.ts';
import { findPrograms, opensshVersion } from '../../src/gateway/programs.ts';
import type { LocalMachineOptions } from './local-machine.ts';
import { RelayWorld } from './relay-world.ts';
import { freePort, RunningSsh } from './ssh-client.ts';
import { nowSeconds } from './test-authority.ts';
import { alice, web } from './test-world.ts';

export class CodeWorld extends RelayWorld {
  codePort = 0;
  #listener: LocalSshd | undefined;

  get codes(): CodePaths {
    const folder = join(this.folder, 'gateway');
    const paths = codePaths({ stateFolder: join(folder, 'state'), runFolder: join(folder, 'run') });
    // Where the listener in its namespace and the companion outside see the same.
    return { ...paths, pidFile: join(folder, 'codes.pid') };
  }

  override gatewayOptions(): Partial<LocalMachineOptions> {
    return {
      companion: {
        intervals: { processesMilliseconds: 50, filesMilliseconds: 100 },
        feed: { pauses: { firstMilliseconds: 10, longestMilliseconds: 100 } },
        codes: this.codes,
      },
    };
  }

  override async open(): Promise<void> {
    await super.open();
    this.codePort = await freePort();
    this.#listener = await this.#startListener();
  }

  override async close(): Promise<void> {
    await this.#listener?.stop();
    await super.close();
  }

  async #startListener(): Promise<LocalSshd> {
    const folder = join(this.folder, 'gateway');
    const { codes } = this;
    const { sshd } = findPrograms();
    await mkdir(codes.folder, { recursive: true });
    await symlink(sshd, codes.program);
    const services = join(folder, 'pam.d');
    await cp('/etc/pam.d', services, { recursive: true });
    const inRun = (name: string) => join(inNamespace.run, name);
    await writeFile(join(services, codeService), pamService(inRun('code-hook')));
    await chmod(services, 0o755);
    return await startLocalSshd({
      folder: join(folder, 'codes-sshd'),
      sshd: codes.program,
      address: '127.0.0.1',
      port: this.codePort,
      configuration: codeListenerConfiguration({
        paths: this.gateway.machine.paths,
        codes,
        routeCode: inRun('route-code'),
        address: '127.0.0.1',
        port: this.codePort,
        version: await opensshVersion(sshd),
      }),
      namespace: {
        binds: [
          { from: join(folder, 'nsswitch.conf'), to: inNamespace.nsswitch },
          { from: join(folder, 'names'), to: inNamespace.extrausers },
          { from: join(folder, 'run'), to: inNamespace.run },
          { from: services, to: '/etc/pam.d' },
        ],
      },
    });
  }

  /** A code as the CA would give one. @returns its text */
  code(change: { account?: string; mfa?: boolean; sessionId?: string } = {}): string {
    const { account = alice, mfa = true, sessionId = randomUUID() } = change;
    const code = randomUUID().toUpperCase();
    const id = randomUUID();
    this.authority.codeUses.set(id, [account, sessionId]);
    this.authority.codes.set(code, {
      accepted: true,
      use: { id, expires_at: nowSeconds() + 3_600 },
      session: {
        account,
        organization: 'example',
        session_id: sessionId,
        mode: 'interactive',
        amr: ['pwd', 'otp'],
        acr: null,
        auth_time: nowSeconds(),
        mfa,
        mfa_by: mfa ? 'provider' : null,
        mfa_methods: mfa ? ['otp'] : [],
        mfa_time: null,
        max_role: null,
        expires_at: nowSeconds() + 3_600,
      },
    });
    return code;
  }

  /** ssh that answers every prompt with the code. */
  withCode(code: string, args: readonly string[], options: readonly string[] = []): RunningSsh {
    const running = new RunningSsh(
      spawn('/usr/bin/ssh', ['-F', this.#configuration, ...options, ...args], {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: this.askingWith(code),
      }),
    );
    this.started.push(running);
    return running;
  }

  /** ssh asks this instead of a terminal. */
  askingWith(code: string): Record<string, string> {
    return {
      PATH: '/usr/bin:/bin',
      HOME: '/nonexistent',
      SSH_ASKPASS: join(this.folder, 'askpass'),
      SSH_ASKPASS_REQUIRE: 'force',
      CODE: code,
    };
  }

  get configuration(): string {
    return this.#configuration;
  }
  #configuration = '';

  /** What the client has: trust in the host CA, and no key. */
  async prepareClient(): Promise<void> {
    const { configuration } = await this.person();

    const lines = (await readFile(configuration, 'utf8'))
      .split('\n')
      .filter((line) => !/^(IdentityFile|CertificateFile|BatchMode)/.test(line));
    this.#configuration = `${configuration}.codes`;
    const more = ['PubkeyAuthentication no', 'NumberOfPasswordPrompts 1'];
    await writeFile(this.#configuration, [...lines, ...more].join('\n'));
    const askpass = join(this.folder, 'askpass');
    await writeFile(askpass, '#!/bin/sh\nprintf "%s\\n" "$CODE"\n', { mode: 0o755 });
  }

  /** Arguments of ssh for the listener. */
  atCodes(name: string = web.targetName, ...command: string[]): string[] {
    return ['-p', String(this.codePort), `${name}@127.0.0.1`, ...command];
  }
}
