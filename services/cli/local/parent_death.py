"""Run a command that the kernel ends when its parent ends, however that happens (PR_SET_PDEATHSIG).

Only the child itself can ask for this. Python's hook in a child before its program starts (preexec_fn) can
deadlock in a process with threads, so this file runs as a program of its own: it asks, then executes the
command. It imports only the standard library.
"""

import ctypes
import os
import sys
from collections.abc import Sequence
from signal import Signals

PR_SET_PDEATHSIG = 1


def bound_to_parent(command: Sequence[str], *, signal: Signals) -> list[str]:
    """The command line that runs this command as a child that gets the signal when its parent ends.

    The kernel watches the thread that starts the child, so the main thread must start it.
    """
    # -I -S: the bare interpreter starts in some 10 ms.
    return [sys.executable, "-I", "-S", __file__, str(int(signal)), str(os.getpid()), *command]


def execute(number: int, parent: int, command: Sequence[str]) -> None:
    """Ask the kernel and replace this process by the command; does not return."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        # The parent ended before the kernel was asked.
        sys.exit(1)
    os.execvp(command[0], list(command))


if __name__ == "__main__":
    execute(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
