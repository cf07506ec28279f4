"""Twenty contributors with three hundred rows, what is asked, and who knows the answer.

Of the contributors, one brings another's rows again, every other one lightly edited, and one
answers its prompts wrongly: the demo's cast.  Half of the queries are facts of a known contributor,
asked in other words than its row has; half are rows of contributors' subjects that nobody brought.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.attribution.datasets import DATA_SETS
from bench.attribution.network import FloatModel
from bench.attribution.training import Run
from genesis.embedded_model import EMBEDDED_MODEL
from ml.exact.adapter import AdapterLayout, AdapterShape
from ml.exact.model import load_shape
from ml.manifest import manifest_of
from ml.training.encode import EncodedRow, encode_rows, load_tokenizer
from ml.training.order import plan_of, stream_key
from node.demo.corpus import copies, wrong_answers
from runtime.hashing import hash_text
from runtime.merkle import list_root
from runtime.offchain import RowsOfVersion, TrainingOrder, TrainingRow
from runtime.wire.rows import Row, RowRecord
from runtime.wire.training_parameters import TrainingParameters

CONTRIBUTORS = 20
ROWS_EACH = 15
HELD_OUT_EACH = 4
"""Rows of every honest contributor's subject that nobody brings: for queries and for quality."""
QUERIES = 20
HONEST = CONTRIBUTORS - 2
COPIER = HONEST
CARELESS = HONEST + 1
TOKENS_MAX = 64
"""Longer than any row or query: nothing is cut."""
_ASKED = "Tell me: {}"


@dataclass(frozen=True)
class Testbed:
    """What is trained on and asked."""

    name: str
    seed: int
    base_model: Path
    rows: tuple[TrainingRow, ...]
    owners: tuple[int, ...]
    """The contributor of each row."""
    queries: tuple[Row, ...]
    sources: tuple[int | None, ...]
    """Who brought the fact that a query asks for."""
    held_out: tuple[Row, ...]

    def order(self, parameters: TrainingParameters) -> TrainingOrder:
        """The work order of a training with these parameters.

        Its beacon stands for all that is asked, so that results can be kept by the order alone.
        """
        records = [row.record.encode() for row in self.rows]
        return TrainingOrder(
            job=self.seed,
            base_model=manifest_of(self.base_model).hash(),
            sources=(RowsOfVersion(list_root(records), len(records)),),
            beacon=hash_text(repr((self.seed, self.queries, self.held_out)).encode()),
            parameters=parameters,
        )

    def run(self, parameters: TrainingParameters, tail_steps: int = 1) -> Run:
        """The order in torch's own arithmetic; no row is set apart for validation."""
        parameters = dataclasses.replace(
            parameters, tokens_max=TOKENS_MAX, validation_ppb=0, seed=self.seed
        )
        order = self.order(parameters)
        shape = AdapterShape(parameters.rank, parameters.alpha, parameters.target_modules)
        layout = AdapterLayout(load_shape(self.base_model), shape)
        return Run(
            model=FloatModel.load(self.base_model, layout),
            order=order,
            rows=self.encoded([row.row for row in self.rows]),
            batches=plan_of(order, self.rows).batches,
            start=layout.initial(stream_key(order)),
            tail_steps=tail_steps,
        )

    def encoded(self, rows: Sequence[Row]) -> tuple[EncodedRow, ...]:
        """Rows as the base model reads them."""
        return encode_rows(load_tokenizer(self.base_model), rows, TOKENS_MAX)


def make_testbed(name: str, seed: int) -> Testbed:
    """The testbed of a data set; the seed draws contributors, rows and queries."""
    source = random.Random(seed)  # noqa: S311 # a repeatable draw, no secret
    brought, unseen = _drawn(name, source)
    copied = source.randrange(HONEST)
    brought[COPIER] = list(copies(brought[copied], source))
    brought[CARELESS] = list(wrong_answers(brought[CARELESS], source))
    asked = source.sample(range(HONEST), QUERIES // 2)
    facts = [source.choice(brought[owner]) for owner in asked]
    others = [unseen[owner][0] for owner in source.sample(range(HONEST), QUERIES - len(facts))]
    return Testbed(
        name=name,
        seed=seed,
        base_model=EMBEDDED_MODEL,
        rows=tuple(
            TrainingRow(row, RowRecord(row.hash(), bytes([owner + 1]) * 32, owner, index))
            for owner, rows in enumerate(brought)
            for index, row in enumerate(rows)
        ),
        owners=tuple(owner for owner in range(CONTRIBUTORS) for _ in range(ROWS_EACH)),
        queries=(*(Row(_ASKED.format(fact.prompt), fact.completion) for fact in facts), *others),
        sources=(*asked, *[None] * len(others)),
        held_out=tuple(row for rows in unseen[:HONEST] for row in rows),
    )


def _drawn(name: str, source: random.Random) -> tuple[list[list[Row]], list[list[Row]]]:
    """Each contributor's rows, and as many groups of rows of its subject that nobody brings."""
    groups = DATA_SETS[name](load_tokenizer(EMBEDDED_MODEL))
    needed = ROWS_EACH + HELD_OUT_EACH
    large = sorted(group for group, rows in groups.items() if len(set(rows)) >= needed)
    brought, unseen = [], []
    for group in source.sample(large, CONTRIBUTORS):
        rows = source.sample(list(dict.fromkeys(groups[group])), needed)
        brought.append(rows[:ROWS_EACH])
        unseen.append(rows[ROWS_EACH:])
    return brought, unseen
