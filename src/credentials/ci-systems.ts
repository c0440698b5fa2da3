/**
 * The CI systems that rules know: their issuers, the claims of their tokens, and which of these tell whose job it is. At
 * an issuer that everybody can get a token from, a rule must name an owner; what the job itself chooses, such as its
 * workflow or its branch, names nobody. Each row says where this is documented.
 */
import type { CiSystem } from '../api/ci-rules.ts';
import { hasWildcard } from './claim-pattern.ts';

interface System {
  /** As people call it. */
  readonly title: string;
  readonly source: string;
  /** The issuer if a rule names none. */
  readonly issuer: string | null;
  /** What its issuers look like; any https URL if left out. */
  readonly issuerPattern?: RegExp;
  readonly issuerExample: string;
  /** Names of its claims; null: any. Those that hold a list of text stand in `lists`. */
  readonly claims: readonly string[] | null;
  /** How further claims begin, which its administrators make. */
  readonly ownClaims?: string;
  readonly lists: readonly string[];
  /** Claims that name an owner, each with what a pattern must look like to do so. */
  readonly anchors: Readonly<Record<string, (pattern: string) => boolean>>;
}

const isLiteral = (pattern: string) => !hasWildcard(pattern);
/** `acme/*`: the first segment says whose. */
const hasLiteralOwner = (pattern: string) => /^[^*/]+\/./.test(pattern);
const startsLiterally = (prefix: RegExp) => (pattern: string) => prefix.test(pattern);

export const ciSystems: Readonly<Record<CiSystem, System>> = {
  github: {
    title: 'GitHub Actions',
    source: 'https://docs.github.com/en/actions/reference/security/oidc',
    issuer: 'https://token.actions.githubusercontent.com',
    // github.com and an enterprise's own path there, data residency, GitHub Enterprise Server.
    issuerPattern:
      /^https:\/\/token\.actions\.githubusercontent\.com(\/[\w-]+)?$|^https:\/\/token\.actions\.[\w-]+\.ghe\.com(\/[\w-]+)?$|^https?:\/\/[^/?#]+\/_services\/token$/,
    issuerExample: 'https://token.actions.githubusercontent.com',
    claims: [
      ...[
        'sub',
        'actor',
        'actor_id',
        'base_ref',
        'check_run_id',
        'enterprise',
        'enterprise_id',
        'environment',
      ],
      ...['environment_node_id', 'event_name', 'head_ref', 'job_workflow_ref', 'job_workflow_sha', 'ref'],
      ...[
        'ref_protected',
        'ref_type',
        'repository',
        'repository_id',
        'repository_owner',
        'repository_owner_id',
      ],
      ...['repository_visibility', 'run_attempt', 'run_id', 'run_number', 'runner_environment', 'sha'],
      ...['workflow', 'workflow_ref', 'workflow_sha'],
    ],
    ownClaims: 'repo_property_',
    lists: [],
    anchors: {
      repository_id: isLiteral,
      repository_owner_id: isLiteral,
      repository: hasLiteralOwner,
      repository_owner: isLiteral,
      enterprise_id: isLiteral,
      // Since July 2026 repo:OWNER@ID/REPOSITORY@ID:..., before that repo:OWNER/REPOSITORY:...
      sub: startsLiterally(/^repo:[^*:/]+\/./),
    },
  },
  gitlab: {
    title: 'GitLab CI',
    source: 'https://docs.gitlab.com/ci/secrets/id_token_authentication/',
    issuer: 'https://gitlab.com',
    issuerExample: 'https://gitlab.com',
    claims: [
      ...['sub', 'namespace_id', 'namespace_path', 'project_id', 'project_path', 'project_visibility'],
      ...[
        'user_id',
        'user_login',
        'user_email',
        'user_access_level',
        'pipeline_id',
        'pipeline_source',
        'job_id',
      ],
      ...['ref', 'ref_type', 'ref_path', 'ref_protected', 'groups_direct', 'environment'],
      ...['environment_protected', 'environment_action', 'deployment_tier', 'runner_environment', 'sha'],
      ...['ci_config_ref_uri', 'ci_config_sha'],
    ],
    lists: ['groups_direct'],
    anchors: {
      project_id: isLiteral,
      namespace_id: isLiteral,
      project_path: hasLiteralOwner,
      namespace_path: startsLiterally(/^[^*/]+(\/|$)/),
      sub: startsLiterally(/^project_path:[^*:/]+\/./),
    },
  },
  forgejo: {
    title: 'Forgejo Actions',
    source: 'https://forgejo.org/docs/next/user/actions/security-openid-connect/',
    issuer: null,
    issuerPattern: /^https?:\/\/[^?#]+\/api\/actions$/,
    issuerExample: 'https://codeberg.org/api/actions',
    claims: [
      ...[
        'sub',
        'actor',
        'actor_id',
        'base_ref',
        'event_name',
        'head_ref',
        'ref',
        'ref_protected',
        'ref_type',
      ],
      ...['repository', 'repository_id', 'repository_owner', 'repository_owner_id', 'run_attempt', 'run_id'],
      ...['run_number', 'sha', 'workflow', 'workflow_ref'],
    ],
    lists: [],
    // Not `sub`: in new repositories it is repo:OWNER-ID/..., which is also what an owner of the name OWNER-ID has in an old one.
    anchors: {
      repository_id: isLiteral,
      repository_owner_id: isLiteral,
      repository: hasLiteralOwner,
      repository_owner: isLiteral,
    },
  },
  kubernetes: {
    title: 'Kubernetes',
    source: 'https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/',
    issuer: null,
    issuerExample: 'https://oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF',
    claims: [
      ...['sub', '/kubernetes.io/namespace', '/kubernetes.io/serviceaccount/name'],
      ...['/kubernetes.io/serviceaccount/uid', '/kubernetes.io/pod/name', '/kubernetes.io/pod/uid'],
      ...['/kubernetes.io/node/name', '/kubernetes.io/node/uid'],
    ],
    lists: [],
    anchors: {
      '/kubernetes.io/namespace': isLiteral,
      sub: startsLiterally(/^system:serviceaccount:[^*:]+:./),
    },
  },
  other: {
    title: 'Another issuer',
    source: 'https://openid.net/specs/openid-connect-discovery-1_0.html',
    issuer: null,
    issuerExample: 'https://issuer.example.com',
    claims: null,
    lists: [],
    anchors: {},
  },
};
