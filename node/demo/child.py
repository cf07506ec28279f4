"""Run a command that cannot outlive its parent: `python -m node.demo.child COMMAND ...`.

Linux sends the chosen signal when the parent dies (prctl(2), PR_SET_PDEATHSIG), and keeps that
choice across execve; so a demo that is killed outright leaves no process behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for SIGTERM on the parent's death, then become the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 # our own command line, no shell


if __name__ == "__main__":
    main()
