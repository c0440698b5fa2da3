/** Runs a gateway and a host as an ordinary user, in a process of its own: what own-login.test.ts starts and kills. */
import { join } from 'node:path';
import { findPrograms } from '../../src/gateway/programs.ts';
import { startLocalMachine } from './local-machine.ts';

const [folder = '', serverUrl = '', gatewayPort, gatewayToken = '', hostPort, hostToken = ''] =
  process.argv.slice(2);

async function start(kind: 'gateway' | 'host', port: string | undefined, token: string) {
  return startLocalMachine({
    kind,
    folder: join(folder, kind),
    address: '127.0.0.1',
    port: Number(port),
    serverUrl,
    token: async () => token,
    programs: findPrograms(),
    clock: () => new Date(),
    log: (entry) => process.stderr.write(`${JSON.stringify(entry)}\n`),
    names: 'own-login',
    answerSeconds: 10,
    companion: {
      intervals: { processesMilliseconds: 50, filesMilliseconds: 100 },
      feed: { pauses: { firstMilliseconds: 10, longestMilliseconds: 100 } },
    },
  });
}

const machines = [
  await start('host', hostPort, hostToken),
  await start('gateway', gatewayPort, gatewayToken),
];
process.once('SIGTERM', async () => {
  for (const machine of machines) await machine.stop();
});
process.stdout.write('ready\n');
