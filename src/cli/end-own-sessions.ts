import { sessionList, sessionsEnded } from '../api/sessions.ts';
import type { SallyContext } from './context.ts';
import { callSignedIn } from './signed-in.ts';

export const ownSessionList = { method: 'GET', path: '/v1/sessions/own', reply: sessionList } as const;

/** Ends the person's other sessions, with their certificates and live connections. @returns how many */
export async function endOthers(context: SallyContext): Promise<number> {
  const { ended } = await callSignedIn(context, {
    method: 'POST',
    path: '/v1/sessions/own/end',
    body: { except_current: true },
    reply: sessionsEnded,
  });
  return ended;
}
