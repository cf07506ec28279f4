"""The golden run: three training steps, one back, and an answer of a tiny model, pinned here.

A machine that computes another digest, by a faulty unit, a mode that flushes subnormal numbers, or
a library that does not round as IEEE 754 says, would be found guilty of lying sooner or later: it
refuses work instead.  The run takes every path of the operators: biases, norms of heads, grouped
heads, dropout, decay, clipping, sampling, in both backends.  The digest is a function of the
operators alone, so `OPERATORS` and the digest change together or not at all.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import torch

from ml.errors import MachineUnfit
from ml.exact.adapter import Adapter, AdapterLayout, AdapterShape
from ml.exact.adjoint import Adjoint, carry, undo_step
from ml.exact.curvature import curvature
from ml.exact.gradients import Dropout, batch_gradient
from ml.exact.inference import answer
from ml.exact.loss import IGNORED
from ml.exact.model import ExactModel
from ml.exact.optimiser import AdamState, StepSettings, adam_step
from ml.exact.products import Backend
from ml.exact.sampling import Sampler, seed_of
from ml.exact.schedule import rate_at
from ml.exact.shape import MODULES
from ml.exact.streams import CounterStream
from runtime.wire.training_parameters import Schedule

OPERATORS = "x13-2"
"""The version of the operators, which a transcript names."""
GOLDEN_DIGEST = "1e66fabc9d5c0d6920fbe9f56c505f662c986756d4f21ab5ae9871551b9500ab"
_STEPS = 3
_CONFIG: dict[str, Any] = {
    "model_type": "qwen3",
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size": 61,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
    "tie_word_embeddings": False,
}


@dataclass(frozen=True, slots=True)
class _Row:
    ids: tuple[int, ...]
    labels: tuple[int, ...]


def require_golden() -> None:
    """Raise `MachineUnfit` unless both backends compute the golden digest here."""
    backends: tuple[Backend, ...] = ("int8", "float64")
    for backend in backends:
        found = golden_digest(backend)
        if found != GOLDEN_DIGEST:
            message = (
                f"This machine computes {found[:16]} with {backend}, not {GOLDEN_DIGEST[:16]}."
            )
            remedy = "Take no work here: check the processor, torch's build and its modes."
            raise MachineUnfit(message, remedy=remedy)


def golden_digest(backend: Backend) -> str:
    """The SHA-256 (hex) of everything that the golden run computes."""
    model = ExactModel.assemble(_CONFIG, _tensor, backend)
    layout = AdapterLayout(model.shape, AdapterShape(4, 6, MODULES))
    start = layout.initial(b"golden")
    # B is 0 at the start: a first gradient of A would be 0 as well.
    state = AdamState.initial(start.add_(_numbers("shift", layout.size) * 0.05))
    digest = hashlib.sha256(_subnormals())
    before = state
    for step in range(_STEPS):
        rows, dropout, settings = _inputs(step)
        batch = batch_gradient(model, Adapter(layout, state.parameters), rows, dropout)
        before, state = state, adam_step(state, batch, settings)
        digest.update(batch.loss.to_bytes(8, "little") + batch.fault.to_bytes(1, "little"))
        digest.update(state.encode())
    digest.update(_step_back(model, layout, before))
    sampler = Sampler(0.7, seed_of(b"golden", b"beacon"))
    said = answer(model, Adapter(layout, state.parameters), (1, 2, 3), sampler, 8)
    digest.update(bytes(said.tokens) + b"".join(said.states))
    return digest.hexdigest()


def _inputs(step: int) -> tuple[list[_Row], Dropout, StepSettings]:
    rate = rate_at(0.01, step, steps=_STEPS, warmup_steps=1, schedule=Schedule.COSINE)
    dropout = Dropout(26, tuple(bytes([step, place]) for place in range(3)))
    return [_row(step, place) for place in range(3)], dropout, StepSettings(rate, 1e-5, 0.01, 0.5)


def _step_back(model: ExactModel, layout: AdapterLayout, before: AdamState) -> bytes:
    """The adjoint before the last step and the rows' slopes, from one after it."""
    rows, dropout, settings = _inputs(_STEPS - 1)
    adapter = Adapter(layout, before.parameters)
    batch = batch_gradient(model, adapter, rows, dropout)
    after = Adjoint.of_last(_numbers("adjoint", layout.size)[None])
    undone = undo_step(after, before, batch, settings)
    curved = curvature(model, adapter, rows, undone.direction, dropout)
    back = carry(undone.adjoint, curved.products)
    vectors = (curved.slopes, back.parameters, back.means, back.squares)
    return b"".join(vector.numpy().tobytes() for vector in vectors)


def _tensor(name: str) -> torch.Tensor | None:
    """The golden model's tensors: norms around 1, the rest within 0.3."""
    width, inner, head = _CONFIG["hidden_size"], _CONFIG["intermediate_size"], _CONFIG["head_dim"]
    queries, keys = head * _CONFIG["num_attention_heads"], head * _CONFIG["num_key_value_heads"]
    kind = name.removesuffix(".weight").rpartition(".")[2]
    if name.endswith(".bias"):
        outputs = {"q_proj": queries, "k_proj": keys, "v_proj": keys}.get(kind)
        return None if outputs is None else _numbers(name, outputs) * 0.1
    if "norm" in kind:
        return _numbers(name, head if kind in {"q_norm", "k_norm"} else width) * 0.25 + 1.0
    sizes = {
        "q_proj": (queries, width),
        "k_proj": (keys, width),
        "v_proj": (keys, width),
        "o_proj": (width, queries),
        "gate_proj": (inner, width),
        "up_proj": (inner, width),
        "down_proj": (width, inner),
    }.get(kind, (_CONFIG["vocab_size"], width))
    return (_numbers(name, sizes[0] * sizes[1]) * 0.3).view(sizes)


def _numbers(name: str, count: int) -> torch.Tensor:
    return torch.from_numpy(CounterStream(b"golden", name).uniform(count))


def _row(step: int, place: int) -> _Row:
    stream = CounterStream(b"golden", f"row {step} {place}")
    length = 5 + 4 * place
    ids = tuple(stream.below(_CONFIG["vocab_size"]) for _ in range(length))
    return _Row(ids, (IGNORED, *ids[2:], IGNORED))


def _subnormals() -> bytes:
    """Sums and conversions below the normal numbers, which some modes of a processor make 0."""
    numbers = torch.full((64,), 2.0**-130).add_(2.0**-140)
    narrowed = torch.full((64,), 2.0**-135, dtype=torch.float64).float()
    return numbers.numpy().tobytes() + (narrowed * 3.0).numpy().tobytes()
