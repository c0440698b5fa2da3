import { createHash, X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { printable } from '../printable.ts';
import type { Anchor } from '../profiles/profile-settings.ts';

/** Longer than any chain that OpenSSL believes by default. */
const longestChain = 100;

/**
 * The last authority of the chain, each link of which is checked here: which certificates a server sends along is its
 * own choice, and names alone say nothing.
 */
export function anchorOf(leaf: X509Certificate): Anchor {
  let last = leaf;
  for (let length = 0; length < longestChain; length += 1) {
    const issuer = last.issuerCertificate;
    if (!issuer || issuer.fingerprint256 === last.fingerprint256) break;
    if (!last.verify(issuer.publicKey)) break;
    last = issuer;
  }
  const spki = spkiOf(last);
  return { spki, name: nameOf(last), is_public: publicKeys().has(spki) };
}

function spkiOf({ publicKey }: X509Certificate): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}

/** What it calls itself, which is its own choice too. */
function nameOf({ subject }: X509Certificate): string {
  const lines = subject.split('\n');
  const name = lines.find((line) => line.startsWith('CN=')) ?? lines.find((line) => line.startsWith('O='));
  return printable((name ?? subject).replace(/^[A-Z]+=/, '').slice(0, 100));
}

let known: ReadonlySet<string> | undefined;

/** Those that browsers bring (Mozilla's list); what a company or a person has installed is not among them. */
function publicKeys(): ReadonlySet<string> {
  known ??= new Set(rootCertificates.map((pem) => spkiOf(new X509Certificate(pem))));
  return known;
}
