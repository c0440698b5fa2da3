/**
 * Critical options and extensions as a certificate packs them (PROTOCOL.certkeys, "Critical options" and "Extensions"):
 * a flag has no data, a value is a string inside the string. What OpenSSH knows must look as OpenSSH wants it (cert_option_list in
 * auth-options.c), or sshd refuses the login; what it does not know is kept as it is.
 */
import type { CertificateOption } from './certificate.ts';
import { isReadableAddressList } from './source-address.ts';
import { WireReader, WireWriter } from './wire.ts';

export type OptionList = 'critical' | 'extension';

type Fits = (option: CertificateOption) => boolean;

const isFlag: Fits = ({ value }) => value === '';
const isCommand: Fits = ({ value, data }) =>
  value !== '' && (data === undefined || unpackText(data) !== undefined);
const isAddressList: Fits = ({ value }) => value !== undefined && isReadableAddressList(value);

/** Every option that OpenSSH 10 knows, and how its content must be. */
const known: Readonly<Record<OptionList, ReadonlyMap<string, Fits>>> = {
  critical: new Map([
    ['force-command', isCommand],
    ['source-address', isAddressList],
    ['verify-required', isFlag],
  ]),
  extension: new Map([
    ['no-touch-required', isFlag],
    ['permit-X11-forwarding', isFlag],
    ['permit-agent-forwarding', isFlag],
    ['permit-port-forwarding', isFlag],
    ['permit-pty', isFlag],
    ['permit-user-rc', isFlag],
  ]),
};

/** Whether OpenSSH knows an option of this name in this list. */
export function isKnownOption(list: OptionList, name: string): boolean {
  return known[list].has(name);
}

/** Whether OpenSSH would take the option's content: always so for one that it does not know. */
export function fitsOpenssh(list: OptionList, option: CertificateOption): boolean {
  return known[list].get(option.name)?.(option) ?? true;
}

/** Printable, so that nothing that shows it on a terminal can be taken in. */
export function isPrintable(text: string): boolean {
  return !/\p{C}/u.test(text);
}

/** What the format holds for the option beside its name. */
export function packOptionData({ value, data }: CertificateOption): Buffer {
  if (data !== undefined) return data;
  return value === '' ? Buffer.alloc(0) : new WireWriter().string(value).bytes();
}

/** The option with this name and data. */
export function unpackOption(name: string, data: Buffer): CertificateOption {
  if (data.length === 0) return { name, value: '' };
  const value = unpackText(data);
  return value !== undefined && value !== '' && isPrintable(value) ? { name, value } : { name, data };
}

/** The one text that the data holds, or undefined. */
function unpackText(data: Buffer): string | undefined {
  try {
    const reader = new WireReader(data, 'certificate_malformed', 'certificate');
    const text = reader.text();
    reader.done();
    return text;
  } catch {
    return undefined;
  }
}
