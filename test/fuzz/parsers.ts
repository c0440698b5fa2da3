/** Every parser of bytes or text from elsewhere, by the name that the corpus and `npm run fuzz` use. */
import type { FuzzedParser } from './examine.ts';
import { agentIdentities, agentRequests, loginRequests } from './parsers/agents.ts';
import {
  bytesToBeSigned,
  certificateLines,
  certificateReadings,
  certificates,
} from './parsers/certificates.ts';
import { inspections } from './parsers/inspections.ts';
import { publicKeyBlobs, publicKeyFiles, publicKeyLines } from './parsers/keys.ts';
import { revocationLists } from './parsers/revocation-lists.ts';
import { attestations, authenticatorData, securityKeyFiles } from './parsers/security-keys.ts';
import { derSignatures, signatureBlobs, sshsigBodies, sshsigs } from './parsers/signatures.ts';
import { agentReplies, encryptedCaKeys, pkcs11Uris, servicesKeys } from './parsers/signers.ts';
import {
  armoredBlocks,
  base64Texts,
  keyIds,
  knownHostsPatterns,
  sourceAddressLists,
  wireTypes,
} from './parsers/texts.ts';

export const parsers: Readonly<Record<string, FuzzedParser>> = {
  'agent-identities': agentIdentities,
  'agent-reply': agentReplies,
  'agent-request': agentRequests,
  armor: armoredBlocks,
  attestation: attestations,
  'authenticator-data': authenticatorData,
  base64: base64Texts,
  certificate: certificates,
  'certificate-line': certificateLines,
  'certificate-reading': certificateReadings,
  'der-signature': derSignatures,
  'encrypted-ca-key': encryptedCaKeys,
  inspection: inspections,
  'key-blob': publicKeyBlobs,
  'key-file': publicKeyFiles,
  'key-id': keyIds,
  'key-line': publicKeyLines,
  'known-hosts': knownHostsPatterns,
  krl: revocationLists,
  'login-request': loginRequests,
  'pkcs11-uri': pkcs11Uris,
  'security-key-file': securityKeyFiles,
  'service-key': servicesKeys,
  signature: signatureBlobs,
  'source-address': sourceAddressLists,
  sshsig: sshsigs,
  'sshsig-body': sshsigBodies,
  'to-be-signed': bytesToBeSigned,
  wire: wireTypes,
};
