import { decodeBase64 } from '../../../src/ssh/base64.ts';
import { certAuthorityLine } from '../../../src/ssh/known-hosts.ts';
import {
  isAccountName,
  isHostName,
  isKeyId,
  isPrincipal,
  keyIdFor,
  parseKeyId,
} from '../../../src/ssh/names.ts';
import { armor, unarmor } from '../../../src/ssh/pem.ts';
import { isReadableAddressList, parseSourceAddresses } from '../../../src/ssh/source-address.ts';
import { WireReader, WireWriter } from '../../../src/ssh/wire.ts';
import { ca } from '../../ssh/sample-certificate.ts';
import { expectFact, expectSame, type FuzzedParser } from '../examine.ts';

export const sourceAddressLists: FuzzedParser = {
  codes: ['certificate_refused'],
  read(input) {
    const text = input.toString('utf8');
    const isReadable = isReadableAddressList(text);
    const entries = parseSourceAddresses(text);
    expectSame(entries.join(','), text);
    expectFact(isReadable, 'takes a list that sshd does not');
    const kinds = entries.map((entry) => `${entry.includes(':') ? 6 : 4}${entry.includes('/') ? '/' : ''}`);
    return `${[...new Set(kinds)].sort()}`;
  },
};

export const keyIds: FuzzedParser = {
  codes: ['name_refused'],
  read(input) {
    const text = input.toString('utf8');
    const { account, sessionId } = parseKeyId(text);
    expectSame(keyIdFor(account, sessionId), text);
    expectFact(isKeyId(text) && isAccountName(account) && isPrincipal(account), 'is no name elsewhere');
    expectFact(isHostName(account.slice(account.indexOf('@') + 1)), 'has no domain');
    return 'key ID';
  },
};

/** Patterns for the CA of hosts, as a comma-separated list. */
export const knownHostsPatterns: FuzzedParser = {
  codes: ['name_refused', 'key_malformed'],
  read(input) {
    const [patterns = '', comment = ''] = input.toString('utf8').split('\n');
    const line = certAuthorityLine(patterns.split(','), { type: 'ssh-ed25519', blob: ca.blob }, comment);
    const words = line.split(' ');
    expectSame([words[0], words[1], words[2]].join(' '), `@cert-authority ${patterns} ssh-ed25519`);
    expectFact(!/\p{C}/u.test(line), 'writes more than one line');
    return `${patterns.includes('[')} ${patterns.includes('*')}`;
  },
};

export const armoredBlocks: FuzzedParser = {
  codes: [],
  read(input) {
    const bytes = unarmor('SSH SIGNATURE', input.toString('latin1'));
    if (bytes === undefined) return 'nothing';
    expectSame(unarmor('SSH SIGNATURE', armor('SSH SIGNATURE', bytes)) ?? 'nothing', bytes);
    return 'block';
  },
};

export const base64Texts: FuzzedParser = {
  codes: [],
  read(input) {
    const text = input.toString('latin1');
    const bytes = decodeBase64(text);
    if (bytes === undefined) return 'nothing';
    expectSame(bytes.toString('base64'), text);
    return `bytes, ${text.length % 4}`;
  },
};

/** The first byte counts steps, as many bytes choose one data type each, what remains is read with them. */
export const wireTypes: FuzzedParser = {
  codes: ['certificate_malformed'],
  read(input) {
    const count = (input[0] ?? 0) % 8;
    const body = input.subarray(1 + count);
    const reader = new WireReader(body, 'certificate_malformed', 'input');
    const writer = new WireWriter();
    const names: string[] = [];
    for (const choice of input.subarray(1, 1 + count)) {
      const [name, step] = steps[choice % steps.length] as (typeof steps)[number];
      step(reader, writer);
      names.push(name);
    }
    reader.done();
    expectSame(writer.bytes(), body);
    return names.slice(0, 3).join(' ');
  },
};

const steps: readonly (readonly [string, (reader: WireReader, writer: WireWriter) => void])[] = [
  ['u8', (reader, writer) => writer.u8(reader.u8())],
  ['u32', (reader, writer) => writer.u32(reader.u32())],
  ['u64', (reader, writer) => writer.u64(reader.u64())],
  ['string', (reader, writer) => writer.string(reader.string())],
  ['text', (reader, writer) => writer.string(reader.text())],
  ['raw', (reader, writer) => writer.raw(reader.raw(3))],
  [
    'mpint',
    (reader, writer) => {
      const hex = reader.mpint().toString(16);
      const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
      writer.string((bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes);
    },
  ],
];
