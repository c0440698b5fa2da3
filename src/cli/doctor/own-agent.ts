/** Whether `sally agent` is there where ssh or this shell asks for it. */
import { access } from 'node:fs/promises';
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { agentSocketPath } from '../agent/agent-socket.ts';
import { askStatus } from '../agent/status.ts';
import type { SallyContext } from '../context.ts';
import { type Finding, ok, unknown } from './finding.ts';

export interface OwnAgentFacts {
  /** undefined: nothing answers at its place. */
  readonly state: 'running' | 'locked' | undefined;
  /** Our part of the ssh config sends our hosts to it. */
  readonly isInConfig: boolean;
  /** Whom SSH_AUTH_SOCK names. */
  readonly shellAsks: 'it' | 'another' | 'none';
}

/** @returns why there can't be one, as a text */
export async function gatherOwnAgent(context: SallyContext): Promise<OwnAgentFacts | string> {
  const { paths, environment } = context;
  try {
    const socket = await agentSocketPath(context);
    const status = await askStatus(socket);
    const named = environment.forPrograms?.['SSH_AUTH_SOCK'];
    const isInConfig = await access(paths.agentConfig).then(
      () => true,
      () => false,
    );
    return {
      state: status && (status === 'locked' ? 'locked' : 'running'),
      isInConfig,
      shellAsks: named === socket ? 'it' : named ? 'another' : 'none',
    };
  } catch (error) {
    if (isSallyportError(error)) return error.message;
    throw error;
  }
}

export function judgeOwnAgent(facts: OwnAgentFacts | string): Finding {
  if (typeof facts === 'string') return unknown('sally-agent', facts);
  const { state, isInConfig, shellAsks } = facts;
  if (state === 'locked') {
    return warning('sally agent is locked, so it offers no certificate.', 'ssh-add -X, at its socket');
  }
  if (state === undefined) {
    const who = isInConfig ? 'ssh to our hosts asks' : shellAsks === 'it' ? 'SSH_AUTH_SOCK names' : undefined;
    if (who === undefined) return ok('sally-agent', 'not used, none is needed');
    const undo = isInConfig ? 'sally agent install --remove' : 'unset SSH_AUTH_SOCK';
    return warning(
      `${who} sally agent, which does not answer: the certificate in the file is used instead.`,
      `sally agent start --background; to do without it: ${undo}`,
    );
  }
  if (!isInConfig && shellAsks !== 'it') {
    const named = shellAsks === 'another' ? 'names another agent' : 'is not set';
    return warning(
      `sally agent runs, but SSH_AUTH_SOCK ${named}: no program of this shell asks it.`,
      'eval "$(sally agent env)", or for our hosts alone: sally agent install',
    );
  }
  return ok('sally-agent', 'it runs and is asked');
}

function warning(says: string, fix: string): Finding {
  return { check: 'sally-agent', outcome: 'warning', says, fix };
}
