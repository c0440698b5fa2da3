import { createHash, X509Certificate } from 'node:crypto';
import { type DetailedPeerCertificate, rootCertificates } from 'node:tls';
import { printable } from '../printable.ts';
import type { Anchor } from '../profiles/profile-settings.ts';

/** Longer than any chain that OpenSSL believes by default. */
const longestChain = 100;

/**
 * The last authority of the chain, each link of which is checked here: which certificates a server sends along is its
 * own choice, and names alone say nothing.
 */
export function anchorOf(leaf: DetailedPeerCertificate): Anchor {
  let at = leaf;
  let last = new X509Certificate(leaf.raw);
  for (let length = 0; length < longestChain; length += 1) {
    // One that vouches for itself is its own issuer here.
    if (!at.issuerCertificate || at.issuerCertificate === at) break;
    at = at.issuerCertificate;
    const issuer = new X509Certificate(at.raw);
    if (!mayIssue(issuer) || !last.verify(issuer.publicKey)) break;
    last = issuer;
  }
  const spki = spkiOf(last);
  return { spki, name: nameOf(last), is_public: publicKeys().has(spki) };
}

/**
 * Everybody can have a certificate of a public authority for a name of theirs, and an authority of their own with the same
 * name and key: what it vouches for must not count as vouched for in public. Old roots do not say that they are
 * authorities, but vouch for themselves.
 */
function mayIssue(certificate: X509Certificate): boolean {
  return certificate.ca || certificate.checkIssued(certificate);
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
