import { expect, test } from 'vitest';
import { whyNoMachines } from '../../src/dev/demo-machine.ts';

test('a gateway needs Linux, and a user whose name is a login name', () => {
  expect(whyNoMachines({ kind: 'own-login', login: 'dana' }, 'linux')).toBeUndefined();
  expect(whyNoMachines({ kind: 'generated-names' }, 'linux')).toBeUndefined();
  expect(whyNoMachines({ kind: 'own-login', login: 'dana' }, 'darwin')).toContain('need Linux');
  expect(whyNoMachines({ kind: 'own-login', login: 'Dana Scully' }, 'linux')).toContain('"Dana Scully"');
});
