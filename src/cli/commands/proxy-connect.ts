import { pipeline } from 'node:stream/promises';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { connectTo } from '../network/connect.ts';
import { proxyFor } from '../network/proxy.ts';

const patienceMilliseconds = 30_000;

/** For ssh's ProxyCommand: bytes to and fro, through the proxy that the environment names. */
export async function proxyConnect(context: SallyContext, host: string, port: number): Promise<ExitName> {
  const { pipes, environment, debug } = context;
  if (!pipes) throw new SallyportError('settings_invalid', 'This is for ssh to run.');
  const proxy = proxyFor(environment.proxies ?? {}, host);
  debug.say(
    proxy
      ? `to ${host}:${port} by ${proxy.kind} through ${proxy.host}:${proxy.port}`
      : `to ${host}:${port} directly`,
  );
  const socket = await connectTo({ host, port }, proxy, patienceMilliseconds);
  // Whichever side ends first: the other hears of it, and has no more to say.
  const sending = pipeline(pipes.input, socket, { end: true }).catch(() => {});
  await pipeline(socket, pipes.output, { end: false }).catch(() => {});
  socket.destroy();
  void sending;
  return 'done';
}
