/** Runs every check: what is cheap and here first, what asks others after it. */
import type { SallyContext } from '../context.ts';
import { nowSeconds } from '../context.ts';
import { readSessionFacts } from '../session-file.ts';
import { gatherAgent, judgeAgent } from './agent-keys.ts';
import { type CertificateFacts, gatherCertificate, judgeCertificate } from './certificate.ts';
import { judgeConfig } from './effective-config.ts';
import { checkNames, type Finding, unknown } from './finding.ts';
import { gatherGateways, judgeGateways } from './gateways.ts';
import { gatherConfig } from './gather-config.ts';
import { gatherPlaces } from './gather-places.ts';
import { checkHelper } from './helper.ts';
import { gatherKey, judgeKey } from './key.ts';
import { gatherLeftovers, judgeLeftovers } from './leftovers.ts';
import { gatherOwnAgent, judgeOwnAgent } from './own-agent.ts';
import { gatherOwnFiles, judgeOwnFiles } from './own-files.ts';
import { judgePermissions } from './permissions.ts';
import { runCaptured } from './run-captured.ts';
import { checkSession, gatherServer, judgeClock, judgeServer } from './server.ts';
import { gatherSharing, judgeSharing } from './sharing.ts';
import { judgeSsh } from './ssh-version.ts';
import { gatherStorage, judgeStorage } from './storage.ts';
import { checkUpdates } from './updates.ts';

export interface ExamineOptions {
  /** Asks neither the server nor the gateways. */
  readonly offline?: boolean;
}

/** @returns findings in the order of the checks, at least one of each */
export async function examine(
  context: SallyContext,
  { offline = false }: ExamineOptions = {},
): Promise<Finding[]> {
  const { paths } = context;
  // First, before anything below asks ssh, which renews what it can.
  const certificate = await gatherCertificate(context);
  const [ssh, config, places, storage, agent, ownAgent, leftovers, sharing, helper, updates, others] =
    await Promise.all([
      sshFacts(context),
      gatherConfig(context),
      gatherPlaces(paths),
      gatherStorage(paths),
      gatherAgent(context),
      gatherOwnAgent(context),
      gatherLeftovers(paths),
      gatherSharing(context, certificate),
      checkHelper(context),
      checkUpdates(context),
      offline ? notAsked : examineOthers(context, certificate),
    ]);
  // Asked last: whether the server knows the session is known by now.
  const isLive = others.some(({ check, outcome }) => check === 'session' && outcome === 'ok');
  const found = [
    judgeSsh(ssh),
    ...judgePermissions(places, process.getuid?.()),
    judgeStorage(storage),
    ...judgeOwnFiles(await gatherOwnFiles(context, config.include !== 'absent')),
    ...judgeConfig(config),
    judgeCertificate(certificate, context),
    judgeKey(await gatherKey(context, agent, isLive)),
    judgeAgent(agent, nowSeconds(context)),
    judgeOwnAgent(ownAgent),
    judgeLeftovers(leftovers),
    judgeSharing(sharing),
    ...helper,
    updates,
    ...others,
  ];
  return found.sort((one, other) => checkNames.indexOf(one.check) - checkNames.indexOf(other.check));
}

const notAsked = (['server', 'clock', 'session', 'gateways'] as const).map((check) =>
  unknown(check, 'not asked: --offline'),
);

async function sshFacts(context: SallyContext) {
  const { isMissing, stderr, stdout } = await runCaptured(context, 'ssh', ['-V']);
  const platform = context.environment.platform ?? process.platform;
  return { version: isMissing ? undefined : stderr || stdout, platform };
}

async function examineOthers(context: SallyContext, certificate: CertificateFacts): Promise<Finding[]> {
  const session = await readSessionFacts(context).catch(() => undefined);
  const server = session?.server ?? context.environment.server;
  if (server === undefined) {
    const none = 'no server is known here';
    return [
      unknown('server', none, 'sally login --server URL'),
      unknown('clock', none),
      unknown('session', 'nobody is logged in here', 'sally login'),
      ...judgeGateways(await gatherGateways(context, { isServerAsked: false })),
    ];
  }
  const facts = await gatherServer(context, server);
  const isReached = facts.failure === null;
  const isServerAsked = isReached && certificate.login?.hasTokens === true && !context.machine;
  const ofSession = isReached
    ? await checkSession(context, certificate)
    : unknown('session', 'the server could not be asked');
  return [
    judgeServer(facts),
    isReached ? judgeClock(facts) : unknown('clock', 'the server could not be asked'),
    ofSession,
    ...judgeGateways(await gatherGateways(context, { isServerAsked })),
  ];
}
