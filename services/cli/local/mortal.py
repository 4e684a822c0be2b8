"""A command that ends when the process which started it ends, however that ended.

The kernel can be asked so (PR_SET_PDEATHSIG) by the child alone. Python's way to run something in a child
before its program starts (preexec_fn) can hang in a process with threads; so this file is run as a program of
its own, asks, and becomes the command.
"""

import ctypes
import os
import sys
from collections.abc import Sequence
from signal import Signals

PR_SET_PDEATHSIG = 1


def mortal(command: Sequence[str], *, ended_by: Signals) -> list[str]:
    """The command line that runs this command as a child of ours which ends when we do, by that signal.

    The kernel means by "we" the thread that starts it, so it is for the main thread to start it.
    """
    # -I -S: nothing but the interpreter, some 10 ms.
    return [sys.executable, "-I", "-S", __file__, str(int(ended_by)), str(os.getpid()), *command]


def become(number: int, parent: int, command: Sequence[str]) -> None:
    """Ask the kernel, and turn into the command; does not return."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        # It ended before the kernel was asked.
        sys.exit(1)
    os.execvp(command[0], list(command))


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
