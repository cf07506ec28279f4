"""The bars of verifiable training and inference, as ratios within one run.

    python -m bench.verify --json

One thread computes.  A time is a process's CPU time, the contestants take turns, and a figure is
the median over the rounds' ratios.  Takes some ten minutes; run it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from bench.report import report
from bench.verify_digests import CONFIGURATIONS, digests_of_all
from bench.verify_peers import TorchTraining, save_random_model
from bench.verify_work import (
    BATCH_ROWS,
    LARGE_SIZES,
    NANO,
    SETTINGS,
    large_rows,
    nano_rows,
    start_of,
)
from ml.exact.adapter import Adapter
from ml.exact.gradients import batch_gradient, evaluate, row_gradients
from ml.exact.inference import answer, first_difference
from ml.exact.loss import LOSS_UNITS
from ml.exact.model import ExactModel
from ml.exact.optimiser import AdamState, adam_step
from ml.exact.sampling import Sampler
from ml.training.encode import EncodedRow
from runtime.wire.transcripts import dispute_rounds, state_root

ROUNDS = 7
QUALITY_SEEDS = 5
QUALITY_STEPS = 16
HELD_OUT_ROWS = 150
ERROR_ROWS = 24
ANSWER_TOKENS = 64
PROMPT_TOKENS = 32
DISPUTED_STEPS = 2_000


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description="The bars of verifiable training.")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    exact, ordinary = digests_of_all()
    figures: dict[str, float | None] = {
        "configurations": len(CONFIGURATIONS),
        "digests_over_hostile_configs": exact,
        "digests_of_torch_float32": ordinary,
    }
    with tempfile.TemporaryDirectory() as folder:
        large = save_random_model(Path(folder), **LARGE_SIZES)
        figures |= slowdown_figures(large, large_rows(), "_h768_6l")
        figures |= commitment_figures(large, large_rows(), "_h768_6l")
        figures |= decode_figures(large, "_h768_6l")
    figures |= slowdown_figures(NANO, nano_rows()[:BATCH_ROWS], "_nano")
    figures |= commitment_figures(NANO, nano_rows()[:BATCH_ROWS], "")
    figures |= decode_figures(NANO, "")
    figures |= quality_figures()
    figures |= error_figures()
    figures["dispute_rounds_T2000"] = dispute_rounds(DISPUTED_STEPS + 2)
    report("verify", figures)


def slowdown_figures(
    directory: Path, rows: Sequence[EncodedRow], suffix: str
) -> dict[str, float | None]:
    """A step's time over torch's, on both backends."""
    model, reference = ExactModel.load(directory), ExactModel.load(directory, "float64")
    start = start_of(model, seed=0)
    state, training = AdamState.initial(start.vector), TorchTraining(directory, start)
    times = rounds_of(
        [
            lambda: _step(model, start, state, rows),
            lambda: _step(reference, start, state, rows),
            lambda: training.step(rows, SETTINGS),
        ]
    )
    return {
        f"slowdown{suffix}": _ratio(times, 0, 2),
        f"slowdown_float64{suffix}": _ratio(times, 1, 2),
        f"step_ms{suffix}": 1_000 * statistics.median(each[0] for each in times),
    }


def commitment_figures(
    directory: Path, rows: Sequence[EncodedRow], suffix: str
) -> dict[str, float | None]:
    """What committing to a state adds to a step, and judging one step to a job of 2,000."""
    model = ExactModel.load(directory)
    start = start_of(model, seed=0)
    state = AdamState.initial(start.vector)
    opened = state.encode()

    def judge() -> None:
        state_root(opened)
        state_root(_step(model, start, AdamState.decode(opened), rows).encode())

    times = rounds_of(
        [
            lambda: _step(model, start, state, rows),
            lambda: state_root(state.encode()),
            judge,
        ]
    )
    return {
        f"commit_fraction{suffix}": _ratio(times, 1, 0),
        f"referee_fraction_T2000{suffix}": _ratio(times, 2, 0) / DISPUTED_STEPS,
    }


def decode_figures(directory: Path, suffix: str) -> dict[str, float | None]:
    """The time of checking an answer of 64 tokens by one prefill, over that of making it."""
    model, prompt, sampler = ExactModel.load(directory), range(5, 5 + PROMPT_TOKENS), Sampler()
    said = answer(model, None, prompt, sampler, ANSWER_TOKENS)
    tokens = len(said.tokens)
    times = rounds_of(
        [
            lambda: first_difference(model, None, prompt, sampler, said),
            lambda: answer(model, None, prompt, sampler, ANSWER_TOKENS),
        ]
    )
    return {
        f"prefill_over_decode{suffix}": _ratio(times, 0, 1),
        f"decode_ms_a_token{suffix}": 1_000 * statistics.median(each[1] for each in times) / tokens,
    }


def quality_figures() -> dict[str, float | None]:
    """The held-out loss after training, exact over torch's, from the same starts and rows."""
    model = ExactModel.load(NANO)
    held_out, training_rows = nano_rows()[:HELD_OUT_ROWS], nano_rows()[HELD_OUT_ROWS:]
    ratios, learnt = [], []
    before = _mean_loss(model, None, held_out)
    for seed in range(QUALITY_SEEDS):
        start = start_of(model, seed)
        state, peer = AdamState.initial(start.vector), TorchTraining(NANO, start)
        for step in range(QUALITY_STEPS):
            first = (seed * QUALITY_STEPS + step) * BATCH_ROWS % (len(training_rows) - BATCH_ROWS)
            rows = training_rows[first : first + BATCH_ROWS]
            state = _step(model, start, state, rows)
            peer.step(rows, SETTINGS)
        loss = _mean_loss(model, Adapter(start.layout, state.parameters), held_out)
        ratios.append(loss / statistics.fmean(peer.losses(held_out)))
        learnt.append(loss / before)
    return {
        "quality_ratio": statistics.fmean(ratios),
        "quality_ratio_worst": max(ratios, key=lambda ratio: abs(ratio - 1)),
        "held_out_loss_over_untrained": statistics.fmean(learnt),
    }


def error_figures() -> dict[str, float | None]:
    """Relative errors of rows' losses and gradients against float64 autograd, after a few steps."""
    model, rows = ExactModel.load(NANO), nano_rows()[:ERROR_ROWS]
    start = start_of(model, seed=0)
    state = AdamState.initial(start.vector)
    for _ in range(3):
        state = _step(model, start, state, rows)
    adapter = Adapter(start.layout, state.parameters)
    exact = TorchTraining(NANO, adapter, torch.float64)
    found = row_gradients(model, adapter, rows)
    loss_errors, gradient_errors = [], []
    for row, loss, units in zip(rows, found.losses, found.gradients, strict=True):
        expected = exact.gradient([row])
        loss_errors.append(abs(loss / LOSS_UNITS / exact.losses([row])[0] - 1))
        difference = units.double() / 2.0**40 - expected
        gradient_errors.append(float(difference.norm() / expected.norm()))
    batch = batch_gradient(model, adapter, rows).gradient.double() / 2.0**40 / len(rows)
    whole = exact.gradient(rows)
    return {
        "loss_error_ppm": 1e6 * statistics.median(loss_errors),
        "row_gradient_error": statistics.median(gradient_errors),
        "batch_gradient_error": float((batch - whole).norm() / whole.norm()),
    }


def rounds_of(contestants: Sequence[Callable[[], object]]) -> list[list[float]]:
    """CPU seconds of each contestant in each of `ROUNDS` rounds, after one that warms up."""
    rounds = []
    for _ in range(ROUNDS + 1):
        times = []
        for contestant in contestants:
            started = time.process_time()
            contestant()
            times.append(time.process_time() - started)
        rounds.append(times)
    return rounds[1:]


def _ratio(times: Sequence[Sequence[float]], above: int, below: int) -> float:
    return statistics.median(each[above] / each[below] for each in times)


def _step(
    model: ExactModel, start: Adapter, state: AdamState, rows: Sequence[EncodedRow]
) -> AdamState:
    batch = batch_gradient(model, Adapter(start.layout, state.parameters), rows)
    return adam_step(state, batch, SETTINGS)


def _mean_loss(model: ExactModel, adapter: Adapter | None, rows: Sequence[EncodedRow]) -> float:
    return statistics.fmean(evaluate(model, adapter, rows)) / LOSS_UNITS


if __name__ == "__main__":
    main()
