// Which folder of src/ may import which. "->" is transitive downwards except for the two trust zones
// (gateway/ and cli/), which get exactly what is listed. docs/architecture.md says why.
const direct = {
  errors: [],
  files: ['errors'],
  ssh: ['errors'],
  policy: ['ssh'],
  api: ['policy'],
  pages: ['api'],
  database: ['errors'],
  secrets: ['errors', 'files'],
  outbound: ['errors'],
  limits: ['database'],
  audit: ['database'],
  revocation: ['audit'],
  accounts: ['policy', 'revocation'],
  inventory: ['accounts', 'secrets', 'api'],
  sessions: ['inventory'],
  credentials: ['sessions', 'secrets', 'outbound', 'limits', 'api'],
  login: ['sessions', 'secrets', 'outbound', 'pages', 'limits'],
  oauth: ['login', 'credentials'],
  ca: ['inventory', 'sessions', 'credentials'],
  connections: ['inventory', 'sessions', 'api'],
  feed: ['ca', 'connections'],
  http: ['feed', 'oauth'],
  console: ['http'],
  operator: ['ca', 'connections'],
  server: ['console', 'operator'],
  dev: ['server', 'gateway', 'cli'],
};
const trustZones = {
  gateway: ['errors', 'files', 'ssh', 'policy', 'api'],
  cli: ['errors', 'files', 'ssh', 'api'],
};

function below(folder, seen = new Set()) {
  for (const next of direct[folder] ?? trustZones[folder] ?? []) {
    if (seen.has(next)) continue;
    seen.add(next);
    below(next, seen);
  }
  return seen;
}

function rule(folder, allowed) {
  const names = [folder, ...allowed].join('|');
  return {
    name: `${folder}-imports`,
    severity: 'error',
    comment: `src/${folder}/ may import only: ${[...allowed].join(', ') || 'nothing'}`,
    from: { path: `^src/${folder}/` },
    to: { path: '^(src|bin|test|bench)/', pathNot: `^src/(${names})/` },
  };
}

const configuration = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'known-folder',
      severity: 'error',
      comment: 'a new folder of src/ needs a line in this file',
      from: {
        path: '^src/[^/]+/',
        pathNot: `^src/(${[...Object.keys(direct), ...Object.keys(trustZones)].join('|')})/`,
      },
      to: {},
    },
    {
      name: 'entries-are-not-imported',
      severity: 'error',
      from: { path: '^src/[^/]+/' },
      to: { path: '^src/[^/]+\\.ts$' },
    },
    {
      name: 'pure-folders-touch-no-machine',
      severity: 'error',
      comment: 'formats and decisions take bytes, facts and `now`; the machine lives at the edge',
      from: { path: '^src/(ssh|policy|api|errors|pages)/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(crypto|buffer|net)$' },
    },
    {
      name: 'sally-loads-no-server-code',
      severity: 'error',
      from: { path: '^src/sally\\.ts$' },
      to: { path: '^src/', pathNot: '^src/(cli|errors)/' },
    },
    ...Object.keys(direct).map((folder) => rule(folder, [...below(folder)])),
    ...Object.entries(trustZones).map(([folder, allowed]) => rule(folder, allowed)),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
    },
  },
};

module.exports = configuration;
// For the test that compares docs/architecture.md; not enumerable, so that dependency-cruiser does not see it.
Object.defineProperty(module.exports, 'sallyport', { value: { direct, trustZones } });
