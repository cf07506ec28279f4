"""What a preview costs: an answer's own gradient, and one product with the sketches of the rows."""

from __future__ import annotations

import time
from dataclasses import replace

from bench.attribution.settlement import answers_to, influence_job
from bench.attribution.testbed import Testbed
from bench.attribution.training import Run
from ml.attribution.counterfactual import counterfactual_adapters
from ml.attribution.preview import preview_index

ROW_COUNT = 10_000
"""Rows of the table, the testbed's over and over: a product takes no notice."""


def preview_ms(testbed: Testbed, run: Run) -> list[float]:
    """Milliseconds of one core for each query."""
    job = influence_job(testbed, run, answers_to(testbed.queries))
    adapter, _none = counterfactual_adapters(job.training, ())
    index = preview_index(job.training, adapter)
    copies = -(-ROW_COUNT // len(index.sketches))
    wide = replace(index, sketches=index.sketches.repeat(copies, 1)[:ROW_COUNT].contiguous())
    found = []
    for answer in job.answers:
        started = time.process_time()
        wide.scores(job.training.model, answer)
        found.append(1_000 * (time.process_time() - started))
    return found
