/** The two sockets of a companion: one where sshd asks, one where its sessions ask what they are to be. */

import { answerKeys } from './answer-keys.ts';
import { menuAnswer } from './answer-menu.ts';
import { answerPrincipals } from './answer-principals.ts';
import { answerRoute } from './answer-route.ts';
import type { Answering } from './answering.ts';
import type { CompanionPaths } from './paths.ts';
import { serveUnixSocket, type UnixSocketServer } from './unix-socket-server.ts';

export interface AnsweringSocketsOptions {
  readonly paths: Pick<CompanionPaths, 'principalsSocket' | 'routeSocket'>;
  readonly answering: Answering;
  /** Who may ask for sshd. Undefined: this user. */
  readonly principalsOwner: { readonly uid: number; readonly gid: number } | undefined;
  readonly onError: (error: unknown) => void;
}

export async function openAnsweringSockets(options: AnsweringSocketsOptions): Promise<UnixSocketServer> {
  const { paths, answering, principalsOwner, onError } = options;
  const principals = await serveUnixSocket({
    path: paths.principalsSocket,
    mode: 0o600,
    owner: principalsOwner,
    // Above MaxStartups of sshd-configuration.ts: a login must not wait for another.
    mostConnections: 1_000,
    routes: {
      '/principals': (form) => answerPrincipals(answering, form),
      '/keys': (form) => answerKeys(answering, form),
    },
    onError,
  });
  try {
    const route = await serveUnixSocket({
      path: paths.routeSocket,
      mode: 0o666,
      owner: undefined,
      // Every user of the machine may connect here; as many sessions may start at once as people may log in.
      mostConnections: 1_000,
      routes: {
        '/route': (form, gone) => answerRoute(answering, form, gone),
        '/menu': menuAnswer(answering),
      },
      onError,
    });
    return {
      async close() {
        answering.relays.close();
        await Promise.all([principals.close(), route.close()]);
      },
    };
  } catch (error) {
    await principals.close();
    throw error;
  }
}
