/**
 * The settings that signers read from the environment of each process; docs/signers.md is compared with this. What has a
 * name of its own elsewhere (VAULT_ADDR, SSH_AUTH_SOCK) keeps it. The SDKs of AWS and Google read their own settings.
 */
export const signerSettings = [
  'SALLYPORT_SIGNER_DEADLINE_SECONDS',
  'SALLYPORT_KEYS_PASSPHRASE_FILE',
  'SALLYPORT_AGENT_SOCK',
  'SSH_AUTH_SOCK',
  'SALLYPORT_PKCS11_MODULE',
  'SALLYPORT_PKCS11_PIN_FILE',
  'CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS',
  'VAULT_ADDR',
  'VAULT_TOKEN_FILE',
  'VAULT_NAMESPACE',
  'VAULT_CACERT',
] as const;

export type SignerSetting = (typeof signerSettings)[number];

/** Undefined also where it is empty, as a compose file gives an unset variable. */
export function signerSetting(environment: NodeJS.ProcessEnv, name: SignerSetting): string | undefined {
  return environment[name] || undefined;
}
