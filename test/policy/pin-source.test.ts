import { describe, expect, it } from 'vitest';
import { decideSource, type SourceFacts } from '../../src/policy/pin-source.ts';

const free: SourceFacts = {
  pinning: 'off',
  clientAddress: '192.0.2.77',
  ranges: [],
  gateways: ['198.51.100.1'],
};

function sources(changed: Partial<SourceFacts>) {
  const decision = decideSource({ ...free, ...changed });
  return decision.allowed ? decision.sources : decision.reason.code;
}

describe('where a certificate is good', () => {
  it('is everywhere, where nobody asks for less', () => {
    expect(sources({})).toEqual([]);
    expect(sources({ clientAddress: null })).toEqual([]);
  });

  it("is the API token's networks and the gateways that are not in them", () => {
    expect(
      sources({ ranges: ['192.0.2.0/24'], gateways: ['192.0.2.9', '198.51.100.1', '198.51.100.1'] }),
    ).toEqual(['192.0.2.0/24', '198.51.100.1']);
  });

  it('is the address that asked, or its network, and the gateways', () => {
    expect(sources({ pinning: 'address' })).toEqual(['192.0.2.77', '198.51.100.1']);
    expect(sources({ pinning: 'network' })).toEqual(['192.0.2.0/24', '198.51.100.1']);
    expect(sources({ pinning: 'address', clientAddress: '2001:db8:0:7:aaaa::1' })).toEqual([
      '2001:db8:0:7:aaaa::1',
      '198.51.100.1',
    ]);
  });

  it('is the network in which an IPv6 privacy address changes', () => {
    expect(sources({ pinning: 'network', clientAddress: '2001:db8:0:7:aaaa::1' })).toEqual([
      '2001:db8:0:7::/64',
      '198.51.100.1',
    ]);
  });

  it('is what the organization and the API token have in common', () => {
    const pinning = 'network';
    expect(sources({ pinning, ranges: ['192.0.0.0/16', '2001:db8::/32'], gateways: [] })).toEqual([
      '192.0.2.0/24',
    ]);
    expect(sources({ pinning, ranges: ['192.0.2.64/26', '192.0.2.8'], gateways: [] })).toEqual([
      '192.0.2.64/26',
      '192.0.2.8',
    ]);
  });

  it('is nowhere, and refused, where the two have nothing in common or nobody knows who asks', () => {
    expect(sources({ pinning: 'address', ranges: ['10.0.0.0/8'] })).toBe('source_refused');
    expect(sources({ pinning: 'network', ranges: ['2001:db8::/32'] })).toBe('source_refused');
    expect(sources({ pinning: 'address', clientAddress: null })).toBe('source_refused');
  });
});
