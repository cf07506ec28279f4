"""The work that `bench.verify` measures: models, rows and settings."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

from genesis.standard_library import Half, documentation_rows
from ml.exact.adapter import Adapter, AdapterLayout, AdapterShape
from ml.exact.loss import IGNORED
from ml.exact.model import ExactModel
from ml.exact.optimiser import StepSettings
from ml.exact.shape import MODULES
from ml.training.encode import EncodedRow, encode_rows, load_tokenizer
from runtime.wire.rows import Row

NANO = Path(__file__).resolve().parent.parent / "genesis" / "models" / "openledger-nano"
LARGE_SIZES = {
    "vocab_size": 8_192,
    "hidden_size": 768,
    "intermediate_size": 2_048,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
}
LARGE_ROWS = 4
LARGE_TOKENS = 64
TOKENS_MAX = 48
"""As the recipe's default has it."""
BATCH_ROWS = 50
SETTINGS = StepSettings(0.006, epsilon=1e-5, weight_decay=0.0, gradient_norm_max=None)
"""The recipe's default."""


@cache
def nano_rows() -> tuple[EncodedRow, ...]:
    """Rows that the embedded base model never saw, in a shuffled order."""
    rows = documentation_rows(Half.DEMO)
    random.Random(0).shuffle(rows)  # noqa: S311 # an order, not a secret
    texts = [Row(row.prompt, row.completion) for row in rows[:1_200]]
    return encode_rows(load_tokenizer(NANO), texts, TOKENS_MAX)


def large_rows() -> tuple[EncodedRow, ...]:
    """Random rows whose second half is the completion."""
    source = random.Random(0)  # noqa: S311 # a workload, not a secret
    rows = []
    for _ in range(LARGE_ROWS):
        ids = tuple(source.randrange(LARGE_SIZES["vocab_size"]) for _ in range(LARGE_TOKENS))
        half = LARGE_TOKENS // 2
        rows.append(EncodedRow(ids, (*[IGNORED] * (half - 1), *ids[half:], IGNORED)))
    return tuple(rows)


def start_of(model: ExactModel, seed: int) -> Adapter:
    """A fresh adapter of all modules, as the recipe's default has it."""
    layout = AdapterLayout(model.shape, AdapterShape(8, 32, MODULES))
    return Adapter(layout, layout.initial(bytes([seed])))
