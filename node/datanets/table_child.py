"""The process that parses a table nobody vouches for: confined, and limited in memory and time.

    python -m node.datanets.table_child FILE '{"prompt": "question", "completion": "answer"}'

Prints JSON arrays of some hundred rows, one a line, as `node.datanets.tables` reads them.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import ml
import runtime
from ml.data.tables import BadRow, Columns, table_rows
from ml.errors import TableError
from node.confinement import confine

MEMORY_BYTES_MAX = 4 * 2**30
"""Of address space: Parquet's allocator reserves more than it uses."""
CPU_SECONDS_MAX = 600
BATCH_ROWS = 256


def main() -> None:
    """Print the rows of the table; the last line is the error that ended it, if one did."""
    path, columns = Path(sys.argv[1]), Columns(**json.loads(sys.argv[2]))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    confine(
        writable=None,
        readable=(path.resolve(),),
        packages=(ml, runtime),
        memory_bytes=MEMORY_BYTES_MAX,
    )
    batch: list[tuple[str | int, ...]] = []
    try:
        for item in table_rows(path, columns):
            if isinstance(item, BadRow):
                batch.append((item.number, item.message, item.remedy, "bad"))
            else:
                batch.append((item.row.prompt, item.row.completion, item.contributor))
            if len(batch) == BATCH_ROWS:
                _write(batch)
                batch = []
        _write(batch)
    except TableError as error:
        _write([*batch, (type(error).__name__, error.message, error.remedy, "error")])


def _write(batch: list[tuple[str | int, ...]]) -> None:
    sys.stdout.write(json.dumps(batch) + "\n")


if __name__ == "__main__":
    main()
