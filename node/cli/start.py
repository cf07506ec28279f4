"""Where `openledger` begins: Ctrl-C is quiet even while the commands are being imported."""

from __future__ import annotations

import sys

EXIT_INTERRUPTED = 130


def start() -> None:
    """Import and run the command line."""
    try:
        from node.cli.main import main

        main()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
