/**
 * The tour's steps: a name, what is done, and what must hold afterwards. A step that does not hold throws with an
 * explanation, and the tour ends there. Nothing here is simulated: people log in through the real login page, `sally`
 * and `ssh` are the programs themselves.
 */

import { readProcesses } from '../../gateway/proc.ts';
import { demoTarget } from '../demo-inventory.ts';
import { runProgram } from './programs.ts';
import type { Stage } from './stage.ts';

export interface Step {
  readonly name: string;
  /** @returns what to say about it on one line */
  run(stage: Stage): Promise<string>;
}

const host = `${demoTarget}.sallyport`;
const patienceMilliseconds = 20_000;

export const story: readonly Step[] = [
  {
    name: 'everything starts on loopback',
    run: async ({ dev }) => {
      const { version } = dev.machines.gateway.companion.status();
      hold(version !== null, 'the gateway has no state');
      return `${dev.publicUrl.origin}, gateway on port ${dev.ports.gateway}, target on port ${dev.ports.target}`;
    },
  },
  {
    name: 'alice logs in with her one-time code',
    run: async ({ alice }) => {
      await alice.login();
      const listing = await alice.certificateListing();
      expectText(listing, /Type: ssh-ed25519-cert-v01@openssh.com user certificate/);
      expectText(listing, /^\s+alice@acme\.test$/m);
      expectText(listing, /^\s+mfa:alice@acme\.test$/m);
      expectText(listing, /mfa@localhost/);
      return `an hour-long certificate, with mfa:alice@acme.test in it (${validity(listing)})`;
    },
  },
  {
    name: 'plain ssh reaches the target, and asks about no host key',
    run: async ({ alice }) => {
      const { stdout } = await alice.ssh([host, 'echo "hello from $(id -un)"']);
      expectText(stdout, /^hello from \S+$/m);
      return `ssh ${host}: ${stdout.trim()}`;
    },
  },
  {
    name: 'bob and carol log in, carol without a second factor',
    run: async ({ bob, carol }) => {
      await bob.login();
      await carol.login();
      const listing = await carol.certificateListing();
      hold(!listing.includes('mfa'), `carol's certificate speaks of MFA:\n${listing}`);
      return 'carol has a certificate too, but no mfa: principal in it';
    },
  },
  {
    name: 'carol is refused at production, and told why',
    run: async (stage) => {
      const refused = await stage.carol.askGateway(demoTarget);
      hold(refused.status !== 0, 'the gateway let carol in');
      const said = refused.stderr + refused.stdout;
      expectText(said, /^Error: Access denied/m);
      expectText(said, /^Parameters: \{"amr":\["mfa"\]\}/m);
      expectText(said, /sally login/);
      const jump = await stage.carol.ssh([host, 'true'], { mayFail: true });
      hold(jump.status !== 0, 'carol reached the target through the jump');
      await stage.keepText('refusal.txt', said);
      return 'Error: Access denied, Parameters: {"amr":["mfa"]}';
    },
  },
  {
    name: 'sally explain says the same where a jump can show no text',
    run: async ({ carol }) => {
      const { stdout } = await carol.sally(['explain', demoTarget], { mayFail: true });
      expectText(stdout, /mfa/i);
      return firstLine(stdout);
    },
  },
  {
    name: 'the certificate renews itself',
    run: async ({ alice }) => {
      const before = serialOf(await alice.certificateListing());
      await alice.makeCertificateDue();
      await alice.ssh([host, 'true']);
      const after = serialOf(await alice.certificateListing());
      hold(before !== after, `ssh used the old certificate, serial ${before}`);
      return `serial ${before}, then ${after}, within the same ssh command`;
    },
  },
  {
    name: 'twenty ssh at once during a renewal all get in',
    run: async ({ alice }) => {
      await alice.makeCertificateDue();
      const runs = await Promise.all(
        Array.from({ length: 20 }, () => alice.ssh([host, 'true'], { mayFail: true })),
      );
      const failed = runs.filter(({ status }) => status !== 0);
      hold(failed.length === 0, `${failed.length} of 20 failed: ${failed[0]?.stderr}`);
      return '20 of 20, one renewal';
    },
  },
  {
    name: 'bob works: a loop without a terminal, and a shared connection',
    run: async (stage) => {
      const { bob } = stage;
      stage.loop = bob.startSsh([host, loopCommand]);
      await stage.loop.firstOutput;
      const control = ['-M', '-S', bob.controlSocket, '-o', 'ControlPersist=no', '-N'];
      stage.master = bob.startSsh([...control, host]);
      await bob.untilControlMaster(host);
      const shared = await bob.ssh(['-S', bob.controlSocket, host, 'echo shared']);
      expectText(shared.stdout, /^shared$/m);
      hold(processesBelow(stage.dev.machines.target.sshd.pid) > 0, 'the target serves nobody');
      return 'two live connections through the gateway';
    },
  },
  {
    name: 'alice sees who is in',
    run: async ({ alice }) => {
      const { stdout } = await alice.sally(['admin', 'sessions', 'list']);
      for (const name of ['alice', 'bob', 'carol']) expectText(stdout, new RegExp(`${name}@acme\\.test`));
      return '3 sessions: alice, bob, carol';
    },
  },
  {
    name: "alice ends bob's session, and his connections drop",
    run: async (stage) => {
      const { alice, bob } = stage;
      const { gateway } = stage.dev.machines;
      await stage.keepFile('bob-cert.pub', await bob.certificateFile());
      await stage.keepFile('krl-before', gateway.paths.revokedKeys);
      const begin = performance.now();
      await alice.sally(['admin', 'sessions', 'revoke', await bob.sessionId(), '--yes']);
      await within(
        patienceMilliseconds,
        Promise.all([stage.loop?.ended, stage.master?.ended]),
        'bob is still in',
      );
      const took = Math.round(performance.now() - begin);
      await stage.keepFile('krl-after', gateway.paths.revokedKeys);
      return `both connections gone ${took} ms after the command was typed`;
    },
  },
  {
    name: 'nothing of bob runs on, and ssh-keygen agrees that he is revoked',
    run: async (stage) => {
      const left = stage.leftOf(loopMark);
      hold(left.length === 0, `still running: ${left.join(', ')}`);
      const krl = stage.dev.machines.gateway.paths.revokedKeys;
      const ask = async (file: string) => runProgram('/usr/bin/ssh-keygen', ['-Q', '-f', krl, file], {});
      const bob = await ask(await stage.bob.certificateFile());
      hold(bob.status !== 0 && /REVOKED/.test(bob.stdout), `ssh-keygen -Q: ${bob.stdout}${bob.stderr}`);
      const alice = await ask(await stage.alice.certificateFile());
      hold(alice.status === 0, `ssh-keygen -Q calls alice revoked: ${alice.stdout}`);
      return 'ssh-keygen -Q: bob REVOKED, alice ok';
    },
  },
  {
    name: 'bob gets in nowhere, and is told what to do',
    run: async ({ bob }) => {
      const again = await bob.ssh([host, 'true'], { mayFail: true });
      hold(again.status !== 0, 'bob got in again');
      const status = await bob.sally(['cert', 'ensure', '--force'], { mayFail: true });
      hold(status.status !== 0, 'bob got a new certificate');
      expectText(status.stderr, /sally login/);
      return firstLine(status.stderr);
    },
  },
  {
    name: 'alice still works',
    run: async ({ alice }) => {
      await alice.ssh([host, 'true']);
      return 'nobody else noticed';
    },
  },
  {
    name: 'everything ends, and leaves no process behind',
    run: async (stage) => {
      await stage.keepEvidence();
      await stage.dev.stop();
      const { gateway, target } = stage.dev.machines;
      const left = [gateway.sshd.pid, target.sshd.pid].filter(
        (pid) => processesBelow(pid) > 0 || isThere(pid),
      );
      hold(left.length === 0, `sshd is still there: ${left.join(', ')}`);
      return 'gateway, target, identity provider and CA are gone';
    },
  },
];

const loopMark = 'sallyport-tour-loop';
const loopCommand = `: ${loopMark}; while :; do echo tick; sleep 1; done`;

/** @throws Error with the explanation if `fact` is not true */
function hold(fact: boolean, explanation: string): asserts fact {
  if (!fact) throw new Error(explanation);
}

function expectText(text: string, wanted: RegExp): void {
  hold(wanted.test(text), `expected ${wanted} in:\n${text}`);
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}

function validity(listing: string): string {
  return /Valid: (.*)/.exec(listing)?.[1] ?? 'no validity?';
}

function serialOf(listing: string): string {
  return /Serial: ([0-9]+)/.exec(listing)?.[1] ?? 'none';
}

async function within<T>(milliseconds: number, work: Promise<T>, explanation: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${explanation}, ${milliseconds / 1000} s later`)),
      milliseconds,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function processesBelow(parent: number): number {
  return readProcesses().filter((process) => process.parent === parent).length;
}

function isThere(pid: number): boolean {
  return readProcesses().some((process) => process.pid === pid);
}
