/**
 * The login with a browser: it comes back to a listener on this machine, or, where the browser is on another one and ends
 * at an address that it can't reach, the person pastes that address.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import { oauthParts } from './api-client.ts';
import { browserAddress } from './browser-address.ts';
import { failedPage, loggedInPage } from './callback-page.ts';
import type { SallyContext } from './context.ts';
import { startDeviceLogin } from './log-in-device.ts';
import type { LoginStart, LoginUnderWay } from './login-under-way.ts';
import { type LoopbackListener, openLoopbackListener } from './loopback-listener.ts';
import { pastedCallback } from './pasted-callback.ts';

const patienceMilliseconds = 10 * 60_000;

export async function startBrowserLogin(context: SallyContext, start: LoginStart): Promise<LoginUnderWay> {
  const { finishAttempt, startAttempt } = await import('./oauth/code-login.ts');
  const { terminal, debug } = context;
  const { server, as, key, request, opens } = start;
  const listener = await openLoopbackListener();
  try {
    const attempt = await startAttempt(oauthParts(context, server), {
      as,
      key,
      redirectUri: listener.redirectUri,
      request,
      onSecret: debug.redact,
    });
    const address = browserAddress(attempt.url, server);
    let callback: URL | undefined;
    let byCode: LoginUnderWay | undefined;
    return {
      async person() {
        terminal.tell(
          opens ? 'Opening your browser to log in. If it does not open, go to:' : 'To log in, open:',
        );
        terminal.tell(`\n  ${address}\n`);
        if (!opens) tellOtherMachine(context);
        const freshAddress = async () => browserAddress(await attempt.push(), server);
        const answered = awaitCallback(context, { listener, attempt, freshAddress });
        if (opens) {
          await context.openBrowser(address).catch(() => debug.say('no browser could be opened'));
        }
        const found = await answered;
        if (found === 'code') {
          byCode = await startDeviceLogin(context, start);
          return await byCode.person();
        }
        callback = found;
        if (callback) return;
        throw new SallyportError('login_rejected', 'Nobody logged in within 10 minutes. Run: sally login');
      },
      async tokens() {
        if (byCode) return await byCode.tokens();
        if (!callback) throw new Error('unreachable: the person has not come back');
        return await finishAttempt(oauthParts(context, server), attempt, callback);
      },
      async close(worked) {
        await listener.answer(worked ? loggedInPage : failedPage);
        await listener.close();
      },
    };
  } catch (error) {
    await listener.close();
    throw error;
  }
}

function tellOtherMachine({ ask, terminal }: SallyContext): void {
  if (ask) {
    terminal.tell(
      'If that browser runs on another machine, it ends at a page that cannot be reached: its address begins with http://127.0.0.1. Copy that whole address, and paste it here.',
    );
    terminal.tell('The address above is good for a minute; for a fresh one press Enter.');
  }
  const how = ask ? 'type the word code.' : 'sally login --device';
  terminal.tell(`A browser on another machine can confirm a short code instead: ${how}\n`);
}

/** Whichever comes first: the browser at the listener, the address that the person pastes, or that they want a code. */
async function awaitCallback(
  { ask, terminal }: SallyContext,
  waiting: {
    readonly listener: LoopbackListener;
    readonly attempt: { readonly redirectUri: string; readonly state: string };
    readonly freshAddress: () => Promise<string>;
  },
): Promise<URL | 'code' | undefined> {
  const { listener, attempt, freshAddress } = waiting;
  const atListener = listener.callback(attempt.state, patienceMilliseconds);
  if (!ask) return await atListener;
  const enough = new AbortController();
  const tellAddress = (address: string) => terminal.tell(`\n  ${address}\n`);
  const tellFailure = (error: Error) => terminal.tell(`sally: ${error.message}`);
  const pasted = async (): Promise<URL | 'code' | undefined> => {
    for (;;) {
      const line = await ask('', enough.signal).catch(() => undefined);
      // The terminal is gone, or the browser was first: what counts is the listener.
      if (line === undefined || enough.signal.aborted) return await atListener;
      if (line.trim() === 'code') return 'code';
      const found = pastedCallback(line, attempt);
      if (found instanceof URL) return found;
      if (found === undefined) await freshAddress().then(tellAddress, tellFailure);
      else terminal.tell(`sally: ${found}`);
    }
  };
  try {
    return await Promise.race([atListener, pasted()]);
  } finally {
    enough.abort();
  }
}
