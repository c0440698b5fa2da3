/** systemd's user units: the socket is there from the login on, and the agent starts with the first who connects. Pure. */
export interface UnitFacts {
  readonly socket: string;
  readonly node: string;
  readonly entry: string;
  /** Of `sally agent start`. */
  readonly flags: readonly string[];
}

export const socketUnit = 'sally-agent.socket';
export const serviceUnit = 'sally-agent.service';

export function socketUnitText({ socket }: UnitFacts): string {
  return `# Written by sally. To undo it: sally agent install --remove
[Unit]
Description=SSH agent with short-lived certificates (socket)

[Socket]
ListenStream=${unitValue(socket)}
SocketMode=0600
DirectoryMode=0700
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
`;
}

export function serviceUnitText({ node, entry, flags }: UnitFacts): string {
  const command = [node, entry, 'agent', 'start', '--systemd', ...flags].map(unitWord).join(' ');
  return `# Written by sally. To undo it: sally agent install --remove
[Unit]
Description=SSH agent with short-lived certificates
Requires=${socketUnit}

[Service]
ExecStart=${command}
NoNewPrivileges=yes
LimitCORE=0
`;
}

/** systemd.unit(5): % begins a specifier. */
function unitValue(text: string): string {
  return text.replaceAll('%', '%%');
}

/** systemd.service(5), "COMMAND LINES": words in quotes, with $ and \ escaped. */
function unitWord(text: string): string {
  if (/^[A-Za-z0-9/._-]+$/.test(text)) return text;
  return `"${unitValue(text).replace(/[\\"]/g, '\\$&').replaceAll('$', '$$$$')}"`;
}
