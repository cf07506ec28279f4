"""The figures of one testbed: each a list of samples whose mean is the figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from bench.attribution.attacks import attack_gains
from bench.attribution.ekfac import ekfac
from bench.attribution.peers import datainf, less, tracincp
from bench.attribution.previews import preview_ms
from bench.attribution.recipes import CANDIDATES, ORDINARY
from bench.attribution.replay import metagradient
from bench.attribution.scores import explained, foretold, foretold_sum, recalled
from bench.attribution.settlement import settled
from bench.attribution.store import Numbers, Store
from bench.attribution.testbed import Testbed
from bench.attribution.training import Run, State, train
from bench.attribution.truth import HALVES, find_truth, quality
from ml.training.recipe import default_training_parameters

FULL, HALF = 1.0, 0.5
"""The rows' weights that a replay goes through; what pays is the mean of both."""
PEERS: Mapping[str, Callable[[Testbed, Run, Sequence[State]], Numbers]] = {
    "tracincp": tracincp,
    "datainf": datainf,
    "less": less,
    "ekfac": ekfac,
}


def not_measured() -> dict[str, str]:
    """Figures of the issue whose machinery is not there yet, and why."""
    return {
        "counterfactual_over_forward": "the server scores no answer under several adapters yet",
        "serving_loss_fraction": "the server makes no previews yet",
    }


def measure(testbed: Testbed, store: Store, subset_count: int) -> dict[str, Sequence[float]]:
    """Fidelity of the default recipe, of peers on the same training, and the settlement's price.

    What pays an epoch is the exact replay of all queries together; single queries are scored by the
    float one, which is held against it.
    """
    run = testbed.run(default_training_parameters(len(testbed.rows)))
    samples = fidelity(testbed, run, store, subset_count)
    samples["quality_ratio"] = [quality_ratio(testbed, run, store)]
    truth = find_truth(testbed, run, store, subset_count)
    nodes, ratio = settled(testbed, run, store)
    samples["fact_recall"] = recalled(testbed, replayed(testbed, run, store, FULL))
    samples["settlement_over_training"] = [ratio]
    samples["preview_ms_10k_rows"] = preview_ms(testbed, run)
    samples["sum_cloo"] = [foretold_sum(truth.without, nodes.sum(0)[:, None])]
    together = [replayed(testbed, run, store, weight).sum(1) for weight in (FULL, HALF)]
    samples["exact_over_float_correlation"] = [
        float(np.corrcoef(exact, single)[0, 1])
        for exact, single in zip(nodes, together, strict=True)
    ]
    samples |= attack_gains(testbed, store)
    for name, method in PEERS.items():
        scores = peer_scores(testbed, run, store, name, method)
        samples[f"{name}_lds90"] = _list(foretold(truth.subsets["rows90"], scores))
        samples[f"{name}_lds50"] = _list(foretold(truth.subsets["rows50"], scores))
        samples[f"{name}_clds"] = _list(foretold(truth.subsets[HALVES], scores))
        samples[f"{name}_cloo"] = _list(foretold(truth.without, scores))
        samples[f"{name}_sum_cloo"] = [foretold_sum(truth.without, scores)]
    return samples


def fidelity(
    testbed: Testbed, run: Run, store: Store, subset_count: int
) -> dict[str, Sequence[float]]:
    """How well the replay foretells the truth, each figure at the weights that its bar names."""
    truth = find_truth(testbed, run, store, subset_count)
    full, half = (replayed(testbed, run, store, weight) for weight in (FULL, HALF))
    return {
        "lds90": _list(foretold(truth.subsets["rows90"], full)),
        "lds50": _list(foretold(truth.subsets["rows50"], half)),
        "clds": _list(foretold(truth.subsets[HALVES], half)),
        "cloo": _list(foretold(truth.without, full)),
        "sum_cloo": [foretold_sum(truth.without, full + half)],
        "r2_90": _list(explained(truth, "rows90", full)),
    }


def quality_ratio(testbed: Testbed, run: Run, store: Store) -> float:
    """The loss on rows that nobody brought, over the best ordinary recipe's of equal passes."""
    row_count = len(testbed.rows)
    others = (testbed.run(CANDIDATES[name].parameters(row_count)) for name in ORDINARY)
    best = max(float(quality(testbed, other, store).mean()) for other in others)
    return float(quality(testbed, run, store).mean()) / best


def replayed(testbed: Testbed, run: Run, store: Store, weight: float) -> Numbers:
    """The metagradient [rows, queries] with all rows at one weight."""

    def compute() -> Numbers:
        targets = [[query] for query in testbed.encoded(testbed.queries)]
        weights = torch.full((len(run.rows),), weight)
        return metagradient(run, weights, targets).double().numpy()

    return store.get(run, f"metagradient {weight}".encode(), compute)


def peer_scores(
    testbed: Testbed,
    run: Run,
    store: Store,
    name: str,
    method: Callable[[Testbed, Run, Sequence[State]], Numbers],
) -> Numbers:
    """The scores [rows, queries] of a published method."""

    def compute() -> Numbers:
        return method(testbed, run, train(run, torch.ones(len(run.rows))))

    return store.get(run, name.encode(), compute)


def _list(values: Numbers) -> list[float]:
    return [float(value) for value in values]
