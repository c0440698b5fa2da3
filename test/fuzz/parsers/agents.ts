import { readAgentRequest, readIdentities } from '../../../src/cli/agent/messages.ts';
import { readLoginRequest } from '../../../src/ssh/login-request.ts';
import { WireWriter } from '../../../src/ssh/wire.ts';
import { expectSame, type FuzzedParser } from '../examine.ts';

/** Whatever a client says to our agent. */
export const agentRequests: FuzzedParser = {
  codes: ['request_malformed'],
  read(input) {
    const request = readAgentRequest(input);
    if (request.kind === 'sign') {
      const { key, data, flags } = request;
      expectSame(new WireWriter().u8(13).string(key).string(data).u32(flags).bytes(), input);
    }
    if (request.kind === 'bind') {
      const { hostKey, sessionId, signature, isForwarding } = request;
      const again = new WireWriter().u8(27).string('session-bind@openssh.com').string(hostKey);
      expectSame(
        again
          .string(sessionId)
          .string(signature)
          .u8(isForwarding ? 1 : 0)
          .bytes(),
        input,
      );
    }
    return request.kind;
  },
};

/** What an agent behind ours lists. */
export const agentIdentities: FuzzedParser = {
  codes: ['request_malformed'],
  read(input) {
    return `${Math.min(readIdentities(input).length, 3)} keys`;
  },
};

/** What an agent is to sign. */
export const loginRequests: FuzzedParser = {
  codes: ['request_malformed'],
  read(input) {
    const { hostKey } = readLoginRequest(input);
    return hostKey ? 'bound to a host' : 'of an older client';
  },
};
