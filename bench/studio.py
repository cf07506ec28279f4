"""`python -m bench.studio [--json]`: what a page of a list of 100,000 objects costs Studio's index.

Each figure is the median of pages at the beginning, the middle and the end of the list, in ms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.chain.index import Index
from studio.chain.tables import BlockRow, EventRow, ExtrinsicRow, IndexedBlock

OBJECTS = 100_000
PER_BLOCK = 20
PAGE_ROWS = 25
REPEATS = 20
ACCOUNT = "a1" * 32


def blocks() -> Iterator[IndexedBlock]:
    """Blocks of transfers by one account: the worst case for its page."""
    for height in range(OBJECTS // PER_BLOCK):
        extrinsics = tuple(
            ExtrinsicRow(
                height, place, f"{height:032x}{place:032x}", ACCOUNT, "Balances.transfer", True, ""
            )
            for place in range(PER_BLOCK)
        )
        events = tuple(
            EventRow(height, place, place, "Balances.Transfer", {"sender": ACCOUNT, "amount": 1})
            for place in range(PER_BLOCK)
        )
        header = BlockRow(height, f"{height:064x}", 500 * height, ACCOUNT, PER_BLOCK, PER_BLOCK)
        yield IndexedBlock(header, extrinsics, events)


def median_ms(query: Callable[[int], object]) -> float:
    """The median over pages near both ends and in the middle."""
    times = []
    for offset in (0, OBJECTS // 2, OBJECTS - PAGE_ROWS):
        for _ in range(REPEATS):
            started = time.perf_counter()
            query(offset)
            times.append(1_000 * (time.perf_counter() - started))
    return statistics.median(times)


def measure() -> dict[str, float]:
    """Fill an index on disk and read pages of it."""
    with tempfile.TemporaryDirectory() as folder, Index(Path(folder) / "index.sqlite") as index:
        started = time.perf_counter()
        index.add(blocks())
        fill_s = time.perf_counter() - started
        return {
            "extrinsics_page_ms": median_ms(lambda offset: index.extrinsics(offset, PAGE_ROWS)),
            "signer_page_ms": median_ms(
                lambda offset: index.extrinsics(offset, PAGE_ROWS, signer=ACCOUNT)
            ),
            "mentions_page_ms": median_ms(
                lambda offset: index.mentions(ACCOUNT, offset, PAGE_ROWS)
            ),
            "count_ms": median_ms(lambda _offset: index.extrinsic_count(signer=ACCOUNT)),
            "indexed_per_second": OBJECTS / fill_s,
        }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="bench.studio")
    parser.add_argument("--json", action="store_true")
    figures = {name: round(value, 2) for name, value in measure().items()}
    if parser.parse_args().json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    for name, value in figures.items():
        sys.stdout.write(f"{name:<22} {value:,}\n")


if __name__ == "__main__":
    main()
