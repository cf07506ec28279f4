"""The data sets of the testbed: short questions and answers of many groups that can contribute.

    library     documentation of the standard library on this machine, as in the demo
    medquad     medical questions by source and kind (Ben Abacha and Demner-Fushman, 2019)
    banking77   bank customers' sentences and what they want (Casanueva et al., 2020)

The last two are files outside this repository (`MEDQUAD`, `BANKING77`); who lacks one is told so.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.datanets import MEDQUAD
from genesis.standard_library import Half, documentation_rows
from ml.training.encode import encode_plain
from runtime.wire.rows import Row

BANKING77 = Path(os.environ.get("BANKING77", "/work/shared/data/banking77_train.csv"))
ROW_TOKENS = 16
"""The most tokens of a row: few, so that hundreds of trainings take minutes."""
PROMPT_TOKENS_MAX = 8
COMPLETION_TOKENS_MIN = 3
_FRAMING_TOKENS = 4
_LIBRARY_GROUP_ROWS = 24
_QUESTION = re.compile(r"^What (?:is the module|is|does) (.*?)(?: for| do)?\?$")
_SENTENCE = re.compile(r"(?<=[.!?]) +")

Groups = Mapping[str, tuple[Row, ...]]
"""Rows by who could contribute them."""


def library(tokenizer: Any) -> Groups:
    """Names and what they are, cut into groups of neighbouring names."""
    rows = [
        row
        for item in sorted(documentation_rows(Half.DEMO), key=lambda item: item.prompt)
        if (row := fitted(tokenizer, _QUESTION.sub(r"\1", item.prompt), item.completion))
    ]
    starts = range(0, len(rows) - _LIBRARY_GROUP_ROWS + 1, _LIBRARY_GROUP_ROWS)
    return {rows[at].prompt: tuple(rows[at : at + _LIBRARY_GROUP_ROWS]) for at in starts}


def medquad(tokenizer: Any) -> Groups:
    """A disease and what is asked about it, by source and kind of question."""
    groups: dict[str, list[Row]] = {}
    with gzip.open(MEDQUAD, "rt", encoding="utf-8") as file:
        for line in file:
            item = json.loads(line)
            said = [part for part in _SENTENCE.split(item["answer"]) if not part.endswith("?")]
            row = fitted(tokenizer, f"{item['focus']}: {item['qtype']}", " ".join(said))
            if row:
                groups.setdefault(f"{item['source']} {item['qtype']}", []).append(row)
    return {name: tuple(rows) for name, rows in groups.items()}


def banking77(tokenizer: Any) -> Groups:
    """A customer's sentence and its intent, by intent."""
    groups: dict[str, list[Row]] = {}
    with BANKING77.open(encoding="utf-8", newline="") as file:
        for item in csv.DictReader(file):
            row = fitted(tokenizer, item["text"].strip(), item["category"].replace("_", " "))
            if row:
                groups.setdefault(item["category"], []).append(row)
    return {name: tuple(rows) for name, rows in groups.items()}


DATA_SETS: Mapping[str, Callable[[Any], Groups]] = {
    "library": library,
    "medquad": medquad,
    "banking77": banking77,
}


def missing_file(name: str) -> Path | None:
    """The file that a data set needs and this machine lacks."""
    path = {"medquad": MEDQUAD, "banking77": BANKING77}.get(name)
    return path if path is not None and not path.exists() else None


def fitted(tokenizer: Any, prompt: str, completion: str) -> Row | None:
    """A row of at most `ROW_TOKENS` tokens: the completion loses its last words, the prompt none.

    None where the prompt is too long or too little of the completion is left.
    """
    asked = len(encode_plain(tokenizer, prompt))
    if asked > PROMPT_TOKENS_MAX:
        return None
    room = ROW_TOKENS - _FRAMING_TOKENS - asked
    for text in _shortened(" ".join(completion.split()[:room])):
        count = len(encode_plain(tokenizer, text))
        if count <= room:
            return Row(prompt, text) if count >= COMPLETION_TOKENS_MIN else None
    return None


def _shortened(text: str) -> Iterator[str]:
    words = text.split(" ")
    for count in range(len(words), 0, -1):
        yield " ".join(words[:count])
