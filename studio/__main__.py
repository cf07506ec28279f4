"""`python -m studio`: what `openledger studio` starts, in a process of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import OpenLedgerError
from studio.settings import DEFAULT_NODE, DEFAULT_PORT, Settings

EXIT_ERROR = 2


def main() -> None:
    """Read the options and serve until stopped."""
    home = Path(os.environ.get("OPENLEDGER_HOME") or Path.home() / ".openledger")
    parser = argparse.ArgumentParser(prog="openledger studio")
    parser.add_argument("--node", default=DEFAULT_NODE, metavar="URL")
    parser.add_argument("--server", metavar="URL")
    parser.add_argument("--server-data", type=Path, metavar="DIR")
    parser.add_argument("--work", type=Path, metavar="DIR")
    parser.add_argument("--data", type=Path, default=home / "studio", metavar="DIR")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--dev", action="store_true")
    options = parser.parse_args()
    try:
        with _settings(options, home) as settings:
            # NiceGUI decides where it keeps its few settings when it is imported.
            os.environ.setdefault("NICEGUI_STORAGE_PATH", str(settings.data / "settings"))
            from studio.app import run

            run(settings, as_json=options.json)
    except OpenLedgerError as error:
        sys.stderr.write(f"openledger: {error.message} {error.remedy}\n")
        sys.exit(EXIT_ERROR)


@contextmanager
def _settings(options: argparse.Namespace, home: Path) -> Iterator[Settings]:
    if options.dev:
        from studio.dev import development

        with development(options.port) as settings:
            yield settings
        return
    yield Settings(
        node=options.node,
        data=options.data,
        keys=home / "keys",
        port=options.port,
        server=options.server,
        server_data=options.server_data,
        work=options.work,
    )


if __name__ in {"__main__", "__mp_main__"}:
    main()
