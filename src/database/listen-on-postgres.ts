/** LISTEN on a connection of its own that comes back after it is lost. */
import pg from 'pg';
import { databaseUnavailable } from './connection-failure.ts';
import type { Listener } from './database.ts';

const firstDelayMilliseconds = 50;
const longestDelayMilliseconds = 5_000;
/** A dead peer sends no reset: without a question now and then, silence looks like "nothing happened". */
const heartbeatMilliseconds = 15_000;

/**
 * @throws database_unavailable if the first connection fails; later ones are tried again for ever, with growing pauses
 */
export async function listenOnPostgres(
  connection: pg.ClientConfig,
  channel: string,
  onMessage: (payload: string) => void,
): Promise<Listener> {
  let current: pg.Client | undefined;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  async function connect(): Promise<void> {
    const client = new pg.Client({ ...connection, query_timeout: 10_000 });
    let connected = false;
    client.on('error', () => {});
    client.on('notification', (message) => onMessage(message.payload ?? ''));
    client.on('end', () => {
      if (connected && current === client) reconnectAfter(firstDelayMilliseconds);
    });
    try {
      await client.connect();
      await client.query(`listen ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    if (closed) return client.end();
    connected = true;
    current = client;
    timer = setTimeout(heartbeat, heartbeatMilliseconds, client).unref();
  }

  function heartbeat(client: pg.Client): void {
    client.query('select 1').then(
      () => {
        if (current === client) timer = setTimeout(heartbeat, heartbeatMilliseconds, client).unref();
      },
      // Ending it raises 'end', which connects again.
      () => client.end().catch(() => {}),
    );
  }

  function reconnectAfter(delay: number): void {
    clearTimeout(timer);
    if (closed) return;
    timer = setTimeout(async () => {
      try {
        await connect();
      } catch {
        // Half of the pause is random, so that replicas do not come back all at once.
        const next = Math.min(delay * 2, longestDelayMilliseconds);
        return reconnectAfter(next / 2 + (Math.random() * next) / 2);
      }
      if (!closed) onMessage('');
    }, delay);
  }

  await connect().catch((error) => {
    throw databaseUnavailable(error);
  });
  return {
    close: async () => {
      closed = true;
      clearTimeout(timer);
      const client = current;
      current = undefined;
      await client?.end().catch(() => {});
    },
  };
}
