/**
 * Pieces that several documents share. Unknown members are refused everywhere (z.strictObject), but in what companions
 * are sent: they may be older than the server.
 */
import { z } from 'zod';
import { isAccountName, isSlug, isTargetName } from '../ssh/names.ts';

/** A u64 as decimal text: JSON numbers end at 2^53. */
export const uint64 = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,19})$/, { abort: true })
  .refine((text) => BigInt(text) <= 0xffff_ffff_ffff_ffffn, 'is over 2^64 - 1');
export const unixSeconds = z.int().min(0);
export const base64 = z.base64();
export const accountName = z
  .string()
  .refine(isAccountName, 'is not an account name such as alice@example.com');
export const slug = z.string().refine(isSlug, 'is not a slug such as shop');
export const targetName = z
  .string()
  .refine(isTargetName, 'is not a target name such as shop-production--web');
export const port = z.int().min(1).max(65535);
/** One line of text from a key file. */
export const keyLine = z.string().min(1).max(16_384);
/** An armored SSHSIG (OpenSSH PROTOCOL.sshsig); one by the longest RSA key takes 6,000 characters. */
export const sshsig = z.string().min(64).max(8192);
/** A machine's address: a host name or an IP address, nothing that ssh_config would read as more. */
export const address = z
  .string()
  .regex(/^[a-zA-Z0-9]([a-zA-Z0-9.:-]{0,251}[a-zA-Z0-9])?$/, 'is not a host name or an IP address');
/** A login name on a Unix machine. */
export const login = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'is not a login name');
