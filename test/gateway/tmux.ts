/** A real terminal of 80 columns and 24 rows, by tmux on a socket of its own: what a person sees, and what they type. */
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { isProgram } from '../../src/gateway/programs.ts';
import type { Person } from './ssh-client.ts';
import { until } from './ssh-client.ts';

const run = promisify(execFile);
const program = '/usr/bin/tmux';
export const hasTmux = isProgram(program);

const environment = { PATH: '/usr/bin:/bin', HOME: '/nonexistent', TERM: 'xterm', LANG: 'C.UTF-8' };

export class Tmux {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  /** Starts ssh in it; the screen stays after ssh has ended. */
  static async open(socket: string, { configuration }: Person, args: readonly string[]): Promise<Tmux> {
    return await Tmux.run(socket, ['/usr/bin/ssh', '-F', configuration, ...args]);
  }

  /** The same with any program. */
  static async run(
    socket: string,
    words: readonly string[],
    variables: Readonly<Record<string, string>> = {},
  ): Promise<Tmux> {
    const tmux = new Tmux(socket);
    const set = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    await tmux.#tmux(
      ...['-f', '/dev/null', 'new-session', '-d', '-x', '80', '-y', '24'],
      ...['/bin/sh', '-c', '"$@"; echo "ended with $?"; read forever', 'sh'],
      ...['/usr/bin/env', ...set, ...words],
    );
    await tmux.#tmux('set-option', '-g', 'status', 'off');
    return tmux;
  }

  /** Keys by tmux's names, such as Enter, Down, Escape. */
  async press(...keys: readonly string[]): Promise<void> {
    await this.#tmux('send-keys', ...keys);
  }

  async type(text: string): Promise<void> {
    await this.#tmux('send-keys', '-l', text);
  }

  /** What is on the screen, without blanks at the ends of lines and empty lines at the end. */
  async screen(): Promise<string> {
    return (await this.#tmux('capture-pane', '-p')).replace(/ +$/gm, '').trimEnd();
  }

  /** Resolves when the screen matches. @returns it */
  async waitFor(pattern: RegExp): Promise<string> {
    let screen = '';
    const matches = async () => {
      screen = await this.screen();
      return pattern.test(screen);
    };
    await until(matches, `${pattern} on the screen`).catch((error: Error) => {
      throw new Error(`${error.message}: ${screen}`);
    });
    return screen;
  }

  /** Takes the terminal away, as a person who closes the window. */
  close(): void {
    spawnSync(program, ['-S', this.#socket, 'kill-server'], { stdio: 'ignore' });
  }

  async #tmux(...args: readonly string[]): Promise<string> {
    const { stdout } = await run(program, ['-S', this.#socket, ...args], { env: environment });
    return stdout;
  }
}
