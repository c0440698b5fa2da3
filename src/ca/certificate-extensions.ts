/** The extensions of a user certificate: sshd's permissions and our two documents, `claims@DOMAIN` and `mfa@DOMAIN`. */
import {
  type CertificateClaims,
  type CertificateMfa,
  certificateClaims,
  certificateMfa,
  claimsExtensionName,
  mfaExtensionName,
} from '../api/claims.ts';
import type { AccountFacts, SessionFacts } from '../policy/facts.ts';
import type { CertificateOption } from '../ssh/certificate.ts';

export interface ExtensionFacts {
  readonly domain: string;
  readonly account: AccountFacts;
  readonly session: SessionFacts;
  /** The identity provider that vouched for the login: an issuer's URL. */
  readonly issuer: string;
  /** Ours, which vouches for passkeys. */
  readonly publicOrigin: string;
  /** `permit-*` */
  readonly permissions: readonly string[];
  readonly mfa: boolean;
  /** The one machine that it is good for. */
  readonly machine?: string;
  /** Hop certificates: the gateway that acts for the account. */
  readonly actor?: string;
}

export function certificateExtensions(facts: ExtensionFacts): CertificateOption[] {
  const { domain, permissions, mfa } = facts;
  const documents = [
    { name: claimsExtensionName(domain), value: asciiJson(certificateClaims.parse(claims(facts))) },
  ];
  if (mfa) {
    documents.push({
      name: mfaExtensionName(domain),
      value: asciiJson(certificateMfa.parse(mfaFacts(facts))),
    });
  }
  return [...permissions.map((name) => ({ name, value: '' })), ...documents];
}

function claims({ account, session, machine, actor }: ExtensionFacts): CertificateClaims {
  const { amr, acr, authTimeSeconds } = session.assurance;
  const { roleLimit } = session;
  return {
    v: 1,
    sub: account.name,
    org: account.organization,
    amr: [...amr],
    acr,
    auth_time: authTimeSeconds,
    sid: session.id,
    ...(roleLimit === null ? {} : { max_role: roleLimit }),
    ...(machine === undefined ? {} : { machine }),
    ...(actor === undefined ? { mode: session.mode } : { mode: 'hop', act: actor }),
  };
}

function mfaFacts({ session, issuer, publicOrigin }: ExtensionFacts): CertificateMfa {
  const { mfaBy, mfaMethods, mfaTimeSeconds, authTimeSeconds } = session.assurance;
  return {
    v: 1,
    // An identity provider may say it by `acr` alone; RFC 8176 has a word for that.
    methods: mfaMethods.length > 0 ? [...mfaMethods] : ['mfa'],
    by: mfaBy === 'passkey' ? publicOrigin : issuer,
    ...(mfaTimeSeconds === null || mfaTimeSeconds === authTimeSeconds ? {} : { time: mfaTimeSeconds }),
  };
}

/** JSON in printable ASCII: certificates are shown on terminals. */
function asciiJson(document: unknown): string {
  return JSON.stringify(document).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
