"""Becomes a program that dies with its parent, even by `kill -9` of the parent.

Run as `python -I -S child.py PARENT_PID PROGRAM ARGUMENTS...`: asks Linux for SIGKILL on the
parent's death, makes sure that the parent had not died before that, and becomes the program (same
pid). Imports nothing of Kannuki: it runs before any environment is set up.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PARENT_GONE = 125


def main(argv: list[str]) -> None:
    """Replaces this process; exits with 125 (parent gone) or 127 (no program) otherwise."""
    parent_pid, program = int(argv[0]), argv[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"child: prctl failed: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent_pid:
        sys.exit(PARENT_GONE)
    try:
        os.execvp(program[0], program)
    except OSError as error:
        print(f"child: cannot run {program[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
