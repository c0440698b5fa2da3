import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificateClaims, certificateMfa } from '../../src/api/claims.ts';
import { warningCodes } from '../../src/cli/inspect/certificate-warnings.ts';
import type { FoundDocument } from '../../src/cli/inspect/documents.ts';
import { inspectBytes } from '../../src/cli/inspect/inspect-bytes.ts';
import {
  claimMeanings,
  extensionMeanings,
  mfaMeanings,
  modeMeanings,
  principalForms,
} from '../../src/cli/inspect/meanings.ts';
import {
  backdateSeconds,
  certificateLifeSeconds,
  decideCertificate,
  shortestLifeSeconds,
} from '../../src/policy/decide-certificate.ts';
import { mostPrincipals, mostPrincipalsIssued, nonceLength } from '../../src/ssh/certificate.ts';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import { keyTypes } from '../../src/ssh/key-types.ts';
import { longestHopLife } from '../../src/ssh/lint-certificate.ts';
import { isAccountName, isKeyId, isPrincipal } from '../../src/ssh/names.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';
import { type SampleAuthority, sampleAuthority, startSeconds } from '../ca/sample-authority.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { describeWithSshKeygen, sshKeygenOutput, temporaryFolder } from '../interop/ssh-keygen.ts';
import { example } from '../policy/sample-facts.ts';
import { ca, subject } from '../ssh/sample-certificate.ts';
import { codeIn, docsPage } from './docs-page.ts';
import { type ExampleCertificates, exampleCertificates } from './example-certificates.ts';

const page = docsPage('certificates.md');
const namesIn = (title: string) => page.table(title).flatMap(([name]) => codeIn(name));

let database: FreshDatabase;
let sample: SampleAuthority;
let examples: ExampleCertificates;
beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
  examples = await exampleCertificates(sample);
});
afterAll(() => database.close());

const folder = temporaryFolder();

/** Keys, session ids and serials are drawn anew; everything else must be the same. Data of options is told apart below. */
function withoutChance(text: string): string {
  return text
    .replace(/SHA256:[A-Za-z0-9+/]{43}/g, 'SHA256:*')
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<session id>')
    .replace(/UNKNOWN OPTION: .*/g, 'UNKNOWN OPTION')
    .replace(/^Serial: [1-9]\d*$/m, 'Serial: *');
}

describeWithSshKeygen('docs/certificates.md shows, as ssh-keygen -L does,', () => {
  test.each([
    ['user', '## User certificates'],
    ['host', '## Host certificates'],
    ['hop', '## Hop certificates'],
    ['canary', '## Canaries'],
  ] as const)('a %s certificate as it is issued', (kind, heading) => {
    const zone = process.env['TZ'];
    process.env['TZ'] = 'UTC';
    const listed = sshKeygenOutput(['-L', '-f', folder.write(`${kind}-cert.pub`, `${examples[kind]}\n`)]);
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
    const lines = listed.split('\n').slice(1, -1);
    const real = lines.map((line) => `${line.replace(/^ {8}/, '').trimEnd()}\n`).join('');
    expect(withoutChance(page.blocks('text', heading)[0] ?? '')).toBe(withoutChance(real));
  });
});

describe('docs/certificates.md', () => {
  const extensionsOfUser = () => parseCertificateLine(examples.user).extensions;

  test('shows the claims as they are issued', () => {
    const documents = extensionsOfUser().flatMap(({ name, value }) =>
      name.includes('@') ? [`${value}\n`] : [],
    );
    const [shown = ''] = page.blocks('json', '### The claims');
    expect(withoutChance(shown)).toBe(withoutChance(documents.join('')));
  });

  test('explains every member of the claims and no other, in their order; so does sally inspect', () => {
    expect(namesIn('member of `claims@DOMAIN`')).toEqual(Object.keys(certificateClaims.shape));
    expect(namesIn('member of `mfa@DOMAIN`')).toEqual(Object.keys(certificateMfa.shape));
    expect([...claimMeanings.keys()]).toEqual(expect.arrayContaining(Object.keys(certificateClaims.shape)));
    expect([...mfaMeanings.keys()]).toEqual(Object.keys(certificateMfa.shape));
  });

  test('explains every mode', () => {
    const [row = []] = page.table('member of `claims@DOMAIN`').filter(([name]) => name === '`mode`');
    expect(codeIn(row[1])).toEqual(certificateClaims.shape.mode.options);
    expect([...modeMeanings.keys()]).toEqual(certificateClaims.shape.mode.options);
  });

  test('lists the extensions that are issued, with MFA and without', () => {
    const rows = page.table('extension');
    const named = (issued: readonly string[]) =>
      rows
        .filter(([, when = '']) => issued.includes(when))
        .flatMap(([name]) => codeIn(name))
        .map((name) => name.replace('DOMAIN', sample.authority.domain));
    expect(named(['always', 'with MFA'])).toEqual(extensionsOfUser().map(({ name }) => name));
    const withoutMfa = decision({ mfa: false });
    expect(named(['always']).filter((name) => !name.includes('@'))).toEqual(withoutMfa.extensions);
    expect(withoutMfa.mfa).toBe(false);
    const sometimes = rows.flatMap(([name]) => codeIn(name));
    const never = [...extensionMeanings.keys()].filter(
      (name) => name.startsWith('permit-') && !sometimes.includes(name),
    );
    const said = page.text.split('\n\n').find((paragraph) => paragraph.includes('are never issued')) ?? '';
    const [sentence = ''] = said.split(':');
    expect(codeIn(sentence).sort()).toEqual(never.sort());
  });

  test('lists every form of principal, and says which are issued', () => {
    expect(namesIn('principal')).toEqual(principalForms.map(({ form }) => form));
    const issued = (when: string) => page.table('principal').filter(([, found]) => found === when).length;
    const formsOf = (principals: readonly string[]) =>
      principals.map((name) => principalForms.find(({ matches }) => matches(name))?.form);
    const [always, withMfa] = namesIn('principal');
    expect(formsOf(decision({ mfa: false }).principals)).toEqual([always]);
    expect(formsOf(decision({ mfa: true }).principals)).toEqual([always, withMfa]);
    expect([issued('always'), issued('with MFA')]).toEqual([1, 1]);
    expect(formsOf(parseCertificateLine(examples.hop).principals)).toEqual(['hop:<host id>']);
    expect(formsOf(parseCertificateLine(examples.canary).principals)).toEqual(['canary:never']);
  });

  test('gives the limits as they are', () => {
    const longest = (holds: (text: string) => boolean, text: (length: number) => string) =>
      Math.max(...Array.from({ length: 300 }, (_, length) => length).filter((length) => holds(text(length))));
    const host = parseCertificateLine(examples.host);
    const user = parseCertificateLine(examples.user);
    const backdates = [host, user, parseCertificateLine(examples.hop)].map(
      ({ validAfter }) => startSeconds - Number(validAfter),
    );
    expect(new Set([...backdates, backdateSeconds]).size).toBe(1);
    const values = page.table('limit').map(([, value]) => Number(value));
    expect(values).toEqual([
      mostPrincipalsIssued,
      mostPrincipals,
      longest(isKeyId, (length) => 'a'.repeat(length)),
      longest(isAccountName, (length) => `${'a'.repeat(Math.max(0, length - 10))}@x.example`),
      longest(isPrincipal, (length) => 'a'.repeat(length)),
      certificateLifeSeconds,
      shortestLifeSeconds,
      Number(host.validBefore) - startSeconds,
      Number(longestHopLife),
      backdateSeconds,
      nonceLength,
    ]);
  });

  test('lists the types of keys that are certified', () => {
    const line =
      page.text.split('\n\n').find((paragraph) => paragraph.startsWith('Keys that are certified:')) ?? '';
    expect(codeIn(line.replaceAll('\n', ' ')).slice(0, -2)).toEqual(Object.keys(keyTypes));
  });

  test('lists every member of what sally inspect --json prints', async () => {
    const expected = Object.fromEntries(
      page.table('`kind`').map(([kind = '', members]) => [codeIn(kind)[0], codeIn(members)]),
    );
    const line = publicKeyLine({ blob: subject.blob });
    const signature = await signSshsig({
      message: Buffer.from('x'),
      namespace: 'file',
      publicKeyBlob: subject.blob,
      sign: (bytes) => signWithKey(subject.privateKey, bytes),
    });
    const sections = [{ kind: 'certificates' as const, caPublicKey: ca.blob, serials: [5n] }];
    const krl = encodeKrl({ version: 1n, generatedAt: 1n, comment: '', sections });
    const inputs = [`${line}\nnonsense\n`, examples.user, signature, krl];
    const each = await Promise.all(inputs.map((bytes) => inspectBytes(Buffer.from(bytes), startSeconds)));
    const found = each.flat();
    const members = (document: FoundDocument) => Object.keys(document).filter((name) => name !== 'kind');
    expect(Object.fromEntries(found.map((document) => [document.kind, members(document)]))).toEqual(expected);
    const user = found.find((document) => document.kind === 'certificate');
    const described = new Map(page.table('member').map(([names, what]) => [names, codeIn(what)]));
    expect(described.get('`principals`')).toEqual(Object.keys(user?.principals[0] ?? {}));
    expect(described.get('`claims`, `mfa`')).toEqual(Object.keys(user?.claims ?? {}));
    expect(described.get('`public_key`, `signed_by`, `ca`')).toEqual(Object.keys(user?.public_key ?? {}));
    const listed = described.get('`critical_options`, `extensions`')?.filter((name) => name !== '""');
    expect(listed).toEqual(Object.keys(user?.extensions[0] ?? {}));
  });

  test('lists every warning of sally inspect', () => {
    expect(namesIn('warning').sort()).toEqual([...warningCodes].sort());
  });

  function decision({ mfa }: { mfa: boolean }) {
    const decided = decideCertificate(
      {
        account: { name: 'alice@example.com', organization: 'example', disabled: false, groups: [] },
        organization: example,
        session: {
          id: 'x',
          mode: 'interactive',
          ended: false,
          expiresAtSeconds: startSeconds + 36_000,
          assurance: {
            amr: [],
            acr: null,
            authTimeSeconds: startSeconds,
            mfa,
            mfaBy: mfa ? 'provider' : null,
            mfaMethods: [],
            mfaTimeSeconds: null,
          },
          roleLimit: null,
        },
      },
      startSeconds,
    );
    if (!decided.allowed) throw new Error('refused');
    return decided;
  }
});
