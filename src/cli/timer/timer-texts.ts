/**
 * What makes the system run `sally cert ensure` ahead of time: every few minutes, not on the minute for everybody at
 * once, and after the machine has slept, which nothing wakes for it. Pure.
 */

export interface TimerCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** The home folder: without it there is nothing to do. */
  readonly home: string;
}

/** Within what sally renews ahead of ssh (ensure-all.ts), and often enough to try twice. */
export const minutesBetween = 4;

/** systemd.service(5) */
export function systemdService({ program, args, home }: TimerCommand): string {
  return `# Written by sally timer install; to undo it: sally timer uninstall
[Unit]
Description=Renews the SSH certificates of sally
ConditionPathIsDirectory=${home.replaceAll('%', '%%')}/.ssh/sallyport

[Service]
Type=oneshot
ExecStart=${[program, ...args].map(systemdWord).join(' ')}
UMask=0077
LimitCORE=0
TimeoutStartSec=120
`;
}

/** systemd.timer(5): a run that was missed in sleep comes after it. */
export function systemdTimer(): string {
  return `# Written by sally timer install; to undo it: sally timer uninstall
[Unit]
Description=Renews the SSH certificates of sally ahead of time

[Timer]
OnCalendar=*:0/${minutesBetween}
RandomizedDelaySec=90
AccuracySec=15
Persistent=true
WakeSystem=false

[Install]
WantedBy=timers.target
`;
}

/** systemd.syntax(7), systemd.service(5) "Command lines": no variable, specifier or escape is left in it. */
function systemdWord(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$');
  return `"${escaped}"`;
}

export const launchdLabel = 'sallyport.sally';

/**
 * launchd.plist(5): what a calendar names is made up for after sleep, an interval is not.
 * @param offset minutes past the hour at which this machine begins
 */
export function launchdAgent({ program, args }: TimerCommand, offset: number): string {
  const minutes = Array.from({ length: 60 / minutesBetween }, (_, at) => (at * minutesBetween + offset) % 60);
  const words = [program, ...args].map((word) => `    <string>${xmlText(word)}</string>\n`).join('');
  const times = minutes.map((minute) => `    <dict><key>Minute</key><integer>${minute}</integer></dict>\n`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${launchdLabel}</string>
  <key>ProgramArguments</key>
  <array>
${words}  </array>
  <key>StartCalendarInterval</key>
  <array>
${times.join('')}  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>ProcessType</key>
  <string>Background</string>
  <key>Umask</key>
  <integer>63</integer>
</dict>
</plist>
`;
}

export const taskName = 'Sallyport\\sally';

/** Of the Windows Task Scheduler, version 1.4; runs as who has registered it, while they are logged on. */
export function windowsTask({ program, args }: TimerCommand): string {
  const command = `<Command>${xmlText(program)}</Command><Arguments>${xmlText(args.map(windowsWord).join(' '))}</Arguments>`;
  return `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.4" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>Renews the SSH certificates of sally ahead of time</Description></RegistrationInfo>
  <Triggers>
    <LogonTrigger><Enabled>true</Enabled><Delay>PT30S</Delay></LogonTrigger>
    <TimeTrigger>
      <Repetition><Interval>PT${minutesBetween}M</Interval></Repetition>
      <StartBoundary>2026-01-01T00:00:00</StartBoundary>
      <RandomDelay>PT90S</RandomDelay>
    </TimeTrigger>
  </Triggers>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <WakeToRun>false</WakeToRun>
    <Hidden>true</Hidden>
    <ExecutionTimeLimit>PT2M</ExecutionTimeLimit>
  </Settings>
  <Actions><Exec>${command}</Exec></Actions>
</Task>
`;
}

/** As the C runtime of Windows reads it back: backslashes count only in front of a quote. */
function windowsWord(text: string): string {
  return `"${text.replace(/(\\*)("|$)/g, (_all, slashes: string, quote: string) => `${slashes}${slashes}${quote && '\\"'}`)}"`;
}

function xmlText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
