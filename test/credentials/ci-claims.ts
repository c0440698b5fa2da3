/**
 * What tokens of the four CI systems hold, as their documentation and source show them. Standard claims but `sub` are
 * put in by whoever mints.
 */

/** https://docs.github.com/en/actions/reference/security/oidc, a repository of after July 2026. */
export const githubClaims = {
  sub: 'repo:octo-org@123456/octo-repo@456789:environment:prod',
  environment: 'prod',
  ref: 'refs/heads/main',
  ref_protected: 'true',
  sha: '2ee87d0b8ee05d3e1b6fa8dc8d4e06fcb4b1a2c3',
  repository: 'octo-org/octo-repo',
  repository_owner: 'octo-org',
  actor_id: '12',
  repository_visibility: 'private',
  repository_id: '456789',
  repository_owner_id: '123456',
  run_id: '10',
  run_number: '10',
  run_attempt: '2',
  runner_environment: 'github-hosted',
  actor: 'octocat',
  workflow: 'deploy',
  head_ref: '',
  base_ref: '',
  event_name: 'workflow_dispatch',
  ref_type: 'branch',
  job_workflow_ref: 'octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main',
};

/** https://docs.gitlab.com/ci/secrets/id_token_authentication/ */
export const gitlabClaims = {
  sub: 'project_path:my-group/my-project:ref_type:branch:ref:main',
  namespace_id: '72',
  namespace_path: 'my-group',
  project_id: '20',
  project_path: 'my-group/my-project',
  user_id: '1',
  user_login: 'sample-user',
  user_email: 'sample-user@example.com',
  user_access_level: 'developer',
  groups_direct: ['my-group', 'my-group/deployers'],
  pipeline_id: '574',
  pipeline_source: 'push',
  job_id: '302',
  ref: 'main',
  ref_type: 'branch',
  ref_path: 'refs/heads/main',
  ref_protected: 'true',
  environment: 'production',
  environment_protected: 'true',
  deployment_tier: 'production',
  runner_id: 1,
  runner_environment: 'self-hosted',
  sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
  ci_config_ref_uri: 'gitlab.example.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main',
  ci_config_sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
};

/** https://forgejo.org/docs/next/user/actions/security-openid-connect/ and services/actions/auth.go. No jti. */
export const forgejoClaims = {
  sub: 'repo:user1/testing:ref:refs/heads/main',
  actor: 'user1',
  actor_id: '7',
  base_ref: '',
  event_name: 'push',
  head_ref: '',
  ref: 'refs/heads/main',
  ref_protected: 'false',
  ref_type: 'branch',
  repository: 'user1/testing',
  repository_id: '31',
  repository_owner: 'user1',
  repository_owner_id: '7',
  run_attempt: '1',
  run_id: '43',
  run_number: '43',
  sha: '76cb2978acb72029ac23277a6192eea1707c6a2c',
  workflow: 'test.yml',
  workflow_ref: 'user1/testing/.forgejo/workflows/test.yml@refs/heads/main',
};

/** https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/; `aud` is a list. */
export const kubernetesClaims = {
  sub: 'system:serviceaccount:ci:deployer',
  'kubernetes.io': {
    namespace: 'ci',
    node: { name: 'node-1', uid: '517eb86e-b863-451b-bf70-86cb61439a3a' },
    pod: { name: 'deploy-x7k2p', uid: '0d8b260e-ef0e-45fb-be8e-ff44f97722e8' },
    serviceaccount: { name: 'deployer', uid: 'e6a8680e-d103-4cce-80ea-03acbbeacf7d' },
    warnafter: 1717674962,
  },
};
