/** `sallyport dev`, what `npm start` runs: starts everything, says what to try, and ends everything when it is told to. */

import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { openEmbedded } from '../database/open-embedded.ts';
import { ensurePrivateFolder } from '../files/write-file.ts';
import type { LogEntry } from '../gateway/log.ts';
import { devScreen } from './dev-screen.ts';
import { type DevOptions, readDevSettings } from './dev-settings.ts';
import { freePorts, startDev } from './start-dev.ts';

export interface DevSurroundings {
  readonly options: DevOptions & { readonly ssh: boolean };
  /** The clone's folder. */
  readonly root: string;
  readonly stdout: NodeJS.WriteStream;
  readonly onStop: (stop: () => Promise<void>) => void;
}

export async function runDev({ options, root, stdout, onStop }: DevSurroundings): Promise<void> {
  const settings = readDevSettings(options, root);
  const { port } = settings;
  const ports =
    port === 0
      ? await freePorts()
      : { console: port, identityProvider: port + 1, gateway: port + 2, target: port + 3 };
  const publicUrl = port === 0 ? new URL(`http://localhost:${ports.console}`) : settings.publicUrl;
  await ensurePrivateFolder(settings.dataFolder);
  const logFile = join(settings.dataFolder, 'sallyport.log');
  const log = createWriteStream(logFile, { flags: 'a', mode: 0o600 });
  // A full disk ends the log, not the demo.
  log.on('error', (error) => stdout.write(`The log ${logFile} ends here: ${error.message}\n`));
  const writeLine = (line: string) => void log.write(line);

  let dev: Awaited<ReturnType<typeof startDev>> | undefined;
  let stopped = false;
  onStop(async () => {
    stopped = true;
    await dev?.stop();
  });
  dev = await startDev({
    dataFolder: settings.dataFolder,
    openDatabase: (folder) => openEmbedded({ folder }),
    publicUrl,
    ports,
    ssh: options.ssh ? 'if-installed' : 'no',
    logger: { level: 'info', stream: { write: writeLine } },
    machineLog: (entry: LogEntry) =>
      writeLine(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`),
  });
  if (stopped) await dev.stop();
  else stdout.write(devScreen(dev, { logFile, isDefault: port === 8420, colors: stdout.isTTY === true }));
}
