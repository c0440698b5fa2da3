/** Facts that allow; each test changes the one that it is about. */
import type {
  AccessRuleFacts,
  AccountFacts,
  OrganizationFacts,
  SessionFacts,
  TargetFacts,
} from '../../src/policy/facts.ts';

export const nowSeconds = 1_800_000_000;

export const bob: AccountFacts = {
  name: 'bob@example.com',
  organization: 'example',
  disabled: false,
  groups: ['developers'],
};

export const example: OrganizationFacts = {
  slug: 'example',
  sshEnabled: true,
  mfaMaxAgeSeconds: null,
  mfaRequired: false,
  mfaSources: ['provider', 'passkey'],
  mfaMethods: null,
  machineAccess: true,
  sourcePinning: 'off',
  hardware: { keys: 'off', attestation: false, models: null },
};

export const session: SessionFacts = {
  id: '0b0f3c1e-55b0-4b0a-9d7b-2f3a54f0c001',
  mode: 'interactive',
  ended: false,
  expiresAtSeconds: nowSeconds + 36_000,
  assurance: {
    amr: ['pwd', 'otp'],
    acr: null,
    authTimeSeconds: nowSeconds - 600,
    mfa: true,
    mfaBy: 'provider',
    mfaMethods: ['pwd', 'otp'],
    mfaTimeSeconds: null,
  },
  roleLimit: null,
};

/** The session with another login. */
export function loggedIn(assurance: Partial<SessionFacts['assurance']>): SessionFacts {
  return { ...session, assurance: { ...session.assurance, ...assurance } };
}

export const target: TargetFacts = {
  targetName: 'shop-production--web',
  organization: 'example',
  project: 'shop',
  environment: 'production',
  app: 'web',
  environmentKind: 'production',
  mfaRequired: true,
  mfaMaxAgeSeconds: 900,
  mfaEnforcement: 'start',
  maxConnectionSeconds: null,
  idleTimeoutSeconds: null,
  peopleOnly: false,
  accessMode: 'both',
  sshRole: 'contributor',
  sshEnabled: { organization: true, project: true, environment: true, app: true },
  forwarding: { local: true, remote: false, agent: false },
  state: 'running',
  address: '127.0.0.1',
  port: 22,
  login: 'app',
};

export const rule: AccessRuleFacts = {
  subject: { account: 'bob@example.com' },
  role: 'contributor',
  organization: 'example',
  project: null,
  environment: null,
  expiresAtSeconds: null,
};
