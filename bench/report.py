"""What every benchmark prints: a line for each figure, or one JSON object with `--json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping


def report(name: str, figures: Mapping[str, float | None]) -> None:
    """Print the figures; with `--json` as one object on the last line.

    None is a figure that cannot be measured yet.
    """
    if "--json" in sys.argv[1:]:
        rounded = {
            key: None if value is None else round(value, 4) for key, value in figures.items()
        }
        sys.stdout.write(json.dumps({"bench": name} | rounded) + "\n")
        return
    for key, value in figures.items():
        shown = "-" if value is None else f"{value:.3f}"
        sys.stdout.write(f"{key:40s} {shown:>10s}\n")
