/**
 * As near to a container as a test comes without a container engine: namespaces of its own for mounts and processes,
 * the machine's programs, an empty /run, and /etc and /var/lib as layers that are thrown away. Needs root.
 */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { root, type Started, start } from '../dev/started-program.ts';

const script = `
mount -t tmpfs -o mode=0755 layers "$1"
for place in etc var/lib; do
  mkdir -p "$1/$place/upper" "$1/$place/work"
  mount -t overlay -o "lowerdir=/$place,upperdir=$1/$place/upper,workdir=$1/$place/work" layers "/$place"
done
mount -t tmpfs -o mode=0755 run /run
rm -f /etc/ssh/ssh_host_*
rm -rf /etc/ssh/sshd_config.d /var/lib/extrausers
mkdir -p /etc/ssh/sshd_config.d /var/lib/sallyport
cp "$2" /etc/ssh/sshd_config
mount --bind "$3" /var/lib/sallyport
shift 3
exec "$@"
`;

export interface Container extends Started {
  /** The process that a container engine would send its signals to. */
  signalMain(signal: 'SIGTERM'): void;
  /** Pids of the processes whose command line holds the text. */
  pidsWith(text: string): number[];
}

export interface ContainerOptions {
  readonly folder: string;
  readonly sshPort: number;
  readonly environment: Readonly<Record<string, string>>;
}

/** One folder of `folder` is the volume that outlives the containers. */
export async function runGatewayContainer(options: ContainerOptions): Promise<Container> {
  const { folder, sshPort, environment } = options;
  const [layers, volume] = [join(folder, 'layers'), join(folder, 'volume')];
  await mkdir(layers, { recursive: true });
  await mkdir(volume, { recursive: true });
  const sshd = join(folder, 'sshd_config');
  const lines = [
    'Include /etc/ssh/sshd_config.d/*.conf',
    `Port ${sshPort}`,
    'ListenAddress 127.0.0.1',
    'UsePAM yes',
  ];
  await writeFile(sshd, lines.map((line) => `${line}\n`).join(''));
  const namespaces = [
    '--mount',
    '--propagation',
    'private',
    '--pid',
    '--fork',
    '--mount-proc',
    '--kill-child',
  ];
  const entrypoint = join(root, 'deploy', 'gateway-entrypoint.sh');
  const main = ['/bin/sh', '-euc', script, 'sh', layers, sshd, volume, '/bin/sh', entrypoint];
  const started = start('/usr/bin/unshare', [...namespaces, ...main], {
    PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
    SALLYPORT_PROGRAM: join(root, 'bin', 'sallyport.js'),
    ...environment,
  });
  const descendants = (pid: number): number[] => {
    const children = childrenOf(pid);
    return [...children, ...children.flatMap(descendants)];
  };
  const inside = () => descendants(started.child.pid ?? 0);
  return {
    ...started,
    signalMain: (signal) => process.kill(inside()[0] ?? Number.NaN, signal),
    pidsWith: (text) => inside().filter((pid) => read(`/proc/${pid}/cmdline`).includes(text)),
  };
}

function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
