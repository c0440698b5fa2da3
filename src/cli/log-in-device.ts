/** The login by a code that a browser on any machine confirms (RFC 8628). */
import { oauthParts } from './api-client.ts';
import { browserAddress } from './browser-address.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import type { LoginStart, LoginUnderWay } from './login-under-way.ts';
import { printable } from './printable.ts';
import type { Tokens } from './session-file.ts';
import { fromNow } from './times.ts';

export async function startDeviceLogin(
  context: SallyContext,
  { server, as, key, request }: LoginStart,
): Promise<LoginUnderWay> {
  const { finishDeviceAttempt, startDeviceAttempt } = await import('./oauth/device-login.ts');
  const { terminal, debug } = context;
  const attempt = await startDeviceAttempt(oauthParts(context, server), { as, key, request });
  debug.redact(attempt.deviceCode);
  const address = browserAddress(attempt.address, server);
  let tokens: Tokens | undefined;
  return {
    async person() {
      terminal.tell('On any machine with a browser, open this address and type the code:');
      terminal.tell(`\n  ${address}`);
      terminal.tell(`  ${terminal.bold(printable(attempt.userCode))}\n`);
      terminal.tell('Before it lets this machine in, the page shows its key, which must be this one:');
      terminal.tell(`\n  ${attempt.keyThumbprint}\n`);
      const end = fromNow(attempt.expiresAtSeconds, context.now());
      terminal.tell(
        `The code is over ${end}. Type it only there, and tell nobody: it lets this machine in as you.`,
      );
      tokens = await finishDeviceAttempt(oauthParts(context, server), attempt, {
        wait: context.wait,
        nowSeconds: () => nowSeconds(context),
      });
    },
    async tokens() {
      if (!tokens) throw new Error('unreachable: nobody has confirmed the code');
      return tokens;
    },
    async close() {},
  };
}
