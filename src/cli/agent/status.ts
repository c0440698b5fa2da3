/** What an agent says of itself to `sally agent status`. */
import { z } from 'zod';
import { isSallyportError, SallyportError } from '../../errors/sallyport-error.ts';
import { AgentClient } from './agent-client.ts';
import { numbers, type OwnExtension, ownExtensionRequest, readOwnExtensionReply } from './messages.ts';

const agentStatus = z.strictObject({
  pid: z.int(),
  socket: z.string(),
  profile: z.string(),
  locked: z.boolean(),
  confirms: z.boolean(),
  with_agent: z.string().nullable(),
  certificates: z.array(
    z.strictObject({
      account: z.string(),
      machine: z.string().nullable(),
      serial: z.string(),
      valid_before: z.int(),
    }),
  ),
});

export type AgentStatus = z.infer<typeof agentStatus>;

export function statusText(status: AgentStatus): string {
  return JSON.stringify(status);
}

/** Undefined: nobody listens there. 'locked': the agent says nothing now. @throws unavailable: it is another one */
export async function askStatus(path: string): Promise<AgentStatus | 'locked' | undefined> {
  const said = await asking(path, async (client) => {
    const reply = await client.ask(ownExtensionRequest('status'));
    return reply[0] === numbers.extensionReply ? readOwnExtensionReply(reply, 'status') : 'locked';
  });
  if (said === undefined || said === 'locked') return said;
  try {
    return agentStatus.parse(JSON.parse(said));
  } catch {
    throw new SallyportError(
      'unavailable',
      `What answers at ${path} is an agent of another version of sally. End it, and start it again: sally agent stop`,
    );
  }
}

/** @returns whether somebody was there who did it */
export async function tellAgent(path: string, what: Exclude<OwnExtension, 'status'>): Promise<boolean> {
  const isDone = await asking(path, async (client) => {
    const reply = await client.ask(ownExtensionRequest(what));
    return reply[0] === numbers.success;
  });
  return isDone ?? false;
}

async function asking<Answer>(
  path: string,
  ask: (client: AgentClient) => Promise<Answer>,
): Promise<Answer | undefined> {
  let client: AgentClient | undefined;
  try {
    client = await AgentClient.open(path);
    return await ask(client);
  } catch (error) {
    if (isSallyportError(error)) return undefined;
    throw error;
  } finally {
    client?.close();
  }
}
