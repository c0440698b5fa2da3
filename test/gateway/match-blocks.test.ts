import { expect, test } from 'vitest';
import { keywordsInMatchBlocks } from '../../src/gateway/match-blocks.ts';

const keywords = ['PasswordAuthentication', 'RevokedKeys'];

test.each([
  ['PasswordAuthentication yes\nMatch User backup\n\tX11Forwarding no\n', []],
  ['Match User backup\n  PasswordAuthentication yes\n', ['PasswordAuthentication']],
  ['match all\nrevokedkeys=none\n PASSWORDAUTHENTICATION yes\n', ['revokedkeys', 'PASSWORDAUTHENTICATION']],
  ['#Match User backup\nRevokedKeys none\n# Match\n', []],
  ['Match Group a\n#RevokedKeys none\nMatch Group b\nRevokedKeys none\nRevokedKeys none\n', ['RevokedKeys']],
])('%j has %j in Match blocks', (text, expected) => {
  expect(keywordsInMatchBlocks(text, keywords)).toEqual(expected);
});
