"""The runtime's metadata, locked in a file: a change that clients would notice fails a test.

python -m genesis.metadata_lock     write the file anew; look at the difference before a commit
"""

from __future__ import annotations

import json
from pathlib import Path

from genesis.compose import compose_runtime

LOCK_FILE = Path(__file__).with_name("metadata.lock.json")


def render() -> str:
    """The metadata of the composed runtime as the file has it."""
    return json.dumps(compose_runtime().metadata(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the lock file."""
    LOCK_FILE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
