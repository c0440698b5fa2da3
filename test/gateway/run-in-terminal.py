"""Runs a program on a terminal of 24x80: what comes in is typed, what it prints goes out. SIGUSR1 makes it 30x100."""
import fcntl, os, pty, select, signal, struct, sys, termios


def resize(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


pid, terminal = pty.fork()
if pid == 0:
    # The parent sets the size first.
    os.read(0, 1)
    os.execv(sys.argv[1], sys.argv[1:])
resize(terminal, 24, 80)
signal.signal(signal.SIGUSR1, lambda *_: resize(terminal, 30, 100))
os.write(terminal, b"\n")
inputs = [terminal, 0]
while True:
    ready, _, _ = select.select(inputs, [], [])
    if 0 in ready:
        typed = os.read(0, 4096)
        if typed:
            os.write(terminal, typed)
        else:
            inputs.remove(0)
    if terminal in ready:
        try:
            shown = os.read(terminal, 4096)
        except OSError:
            shown = b""
        if not shown:
            break
        os.write(1, shown)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
