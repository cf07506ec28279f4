"""Every row's influence on every single answer, as the worker left it beside the settlement.

What is settled on chain is the sum over the epoch; this is the detail behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from node.payout_receipts import Epoch
from node.workers.influence_file import influence_path, read_influence
from runtime.hashing import hash_receipt


@dataclass(frozen=True, slots=True)
class Influence:
    """Scores in nats by the hash of the answer's receipt: one number a trained row."""

    by_receipt: dict[bytes, np.ndarray]
    row_count: int

    @classmethod
    def load(cls, work: Path, epochs: Sequence[Epoch]) -> Influence:
        """Read the worker's files of these epochs."""
        found: dict[bytes, np.ndarray] = {}
        for epoch in epochs:
            found |= read_influence(influence_path(work, epoch.model, epoch.epoch))
        return cls(found, len(epochs[0].scores))

    def of(self, receipt: bytes) -> np.ndarray:
        """The influence of every trained row on the answer with this encoded receipt.

        An empty answer is attributed to nobody: zeros.
        """
        found = self.by_receipt.get(hash_receipt(receipt))
        return np.zeros(self.row_count) if found is None else found
