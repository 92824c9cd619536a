"""The watchman: a process that outlives its server by a moment, and kills the programs that it left behind.

It is told on its standard input of each process group that is begun (`+123`) and that has ended (`-123`). The
input ends when the server does, however that came about. It is started as a file, so it knows nothing of the
package and starts fast; it is deaf to what ends a server in an orderly way, since that still tells it.
"""

import contextlib
import os
import signal
import sys


def watch() -> None:
    """Note who is there until the server is gone, then kill them."""
    for deaf in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(deaf, signal.SIG_IGN)
    there: set[int] = set()
    for line in sys.stdin:
        (there.add if line[0] == "+" else there.discard)(int(line[1:]))
    for group in there:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    watch()
