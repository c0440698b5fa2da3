/**
 * The closed set of error codes. A code is stable: clients and tests compare it, people search for it. One row per
 * code: the HTTP status, the title of the problem document (RFC 9457) and, where OAuth defines one, the `error` value.
 */
interface ErrorRow {
  readonly status: number;
  readonly title: string;
  readonly oauth?: 'invalid_grant' | 'invalid_request' | 'invalid_token' | 'access_denied' | 'server_error';
}

export const errorTable = {
  // Requests
  request_malformed: { status: 400, title: 'The request is malformed', oauth: 'invalid_request' },
  request_too_large: { status: 413, title: 'The request is too large', oauth: 'invalid_request' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  host_not_allowed: { status: 421, title: 'This host name is not served here' },
  cross_site_request: { status: 403, title: 'The request came from another site' },
  internal: { status: 500, title: 'Internal error', oauth: 'server_error' },
  too_many_attempts: { status: 429, title: 'Too many attempts' },
  unavailable: { status: 503, title: 'Not available right now', oauth: 'server_error' },
  recovery_needed: { status: 503, title: 'The database was restored or replaced', oauth: 'server_error' },
  database_unavailable: { status: 503, title: 'The database is not available', oauth: 'server_error' },

  // Authentication and sessions
  token_missing: { status: 401, title: 'Not signed in', oauth: 'invalid_token' },
  token_invalid: { status: 401, title: 'The token is not valid', oauth: 'invalid_token' },
  proof_invalid: { status: 401, title: 'The DPoP proof is not valid', oauth: 'invalid_token' },
  proof_nonce_required: { status: 401, title: 'The DPoP proof needs a nonce', oauth: 'invalid_token' },
  proof_replayed: { status: 401, title: 'The DPoP proof was used before', oauth: 'invalid_token' },
  session_ended: { status: 401, title: 'The login session has ended', oauth: 'invalid_token' },
  grant_invalid: { status: 400, title: 'The grant is not valid', oauth: 'invalid_grant' },
  forbidden: { status: 403, title: 'Not allowed', oauth: 'access_denied' },
  insufficient_user_authentication: {
    status: 401,
    title: 'A stronger login is needed',
    oauth: 'invalid_token',
  },

  // Login at the identity provider
  login_state_invalid: { status: 400, title: 'The login was not started in this browser' },
  login_rejected: { status: 403, title: 'The login was refused' },
  passkey_refused: { status: 403, title: 'The passkey was refused' },
  recovery_code_refused: { status: 403, title: 'The recovery code was refused' },
  login_provider_error: { status: 502, title: 'The identity provider gave an error' },

  // SSH formats
  key_malformed: { status: 422, title: 'The public key is malformed' },
  key_type_refused: { status: 422, title: 'The key type is not accepted' },
  key_weak: { status: 422, title: 'The key is too weak' },
  key_is_certificate: { status: 422, title: 'A certificate is not a public key' },
  key_is_private: { status: 422, title: 'A private key was sent' },
  key_reserved: { status: 422, title: 'The key belongs to someone else' },
  key_revoked: { status: 422, title: 'The key was revoked' },
  key_possession_unproven: { status: 422, title: 'Possession of the key is not proven' },
  attestation_refused: { status: 422, title: 'The attestation of the security key is not valid' },
  certificate_malformed: { status: 422, title: 'The certificate is malformed' },
  certificate_refused: { status: 422, title: 'The certificate would not be acceptable' },
  signature_invalid: { status: 422, title: 'The signature is not valid' },
  krl_malformed: { status: 422, title: 'The key revocation list is malformed' },

  // Names and inventory
  name_refused: { status: 422, title: 'The name is not acceptable' },
  name_taken: { status: 409, title: 'The name is taken' },
  still_used: { status: 409, title: 'It is still used' },
  plan_outdated: { status: 409, title: 'The inventory has changed since the plan was made' },

  // Policy
  access_denied: { status: 403, title: 'Access denied' },
  lifetime_refused: { status: 422, title: 'The lifetime is not acceptable' },

  // Companions
  enrolment_refused: { status: 403, title: 'The enrolment was refused' },
  state_older: { status: 409, title: 'An older state was offered' },
  install_failed: { status: 500, title: 'The companion could not install its state' },

  // The machine
  settings_invalid: { status: 500, title: 'The settings are not valid' },
  program_missing: { status: 500, title: 'A program is missing' },
  in_use: { status: 500, title: 'Already in use' },
  keychain_failed: { status: 500, title: 'The keychain of the system does not do it' },
  server_untrusted: { status: 502, title: 'The server is not who it was' },
  file_refused: { status: 500, title: 'A file is not as it must be' },
  ca_key_refused: { status: 409, title: 'The CA key may not change so' },
  signer_failed: { status: 503, title: 'The CA key could not sign' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;
