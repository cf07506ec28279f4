"""The parameters of a training job: each with a sentence of help, in the units people think in.

Which parameters there are, and their ranges, is the metadata's; one that is not known here gets a
plain field.  The defaults are the recipe under which influence is faithful.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any

from nicegui import ui

from ml.training.recipe import default_training_parameters
from node.chain_client.notation import Boolean, Enumeration, Record, Type, parse_type
from runtime.types import PPB
from runtime.wire.training_parameters import BOUNDS, RANKS, TARGET_MODULES
from studio.errors import FieldInvalid
from studio.parts import values

HELP = {
    "learning_rate_ppb": "How far each step goes. Too high and it never settles.",
    "steps": "How many batches it sees. More takes longer, and in the end learns by heart.",
    "batch_rows": "Rows of one step. Large batches make influence easier to measure.",
    "rank": "How much the adapter can hold.",
    "alpha": "How strongly the adapter speaks; usually some times its rank.",
    "schedule": "How the learning rate goes on after the warm-up.",
    "tokens_max": "The longest row, in tokens; what is longer is cut.",
    "validation_ppb": "The part of the rows that is held out to test it, in per cent.",
    "seed": "The same seed gives the same model, bit by bit.",
    "dropout_ppb": "Hides a part of the adapter's inputs, in per cent. It blurs influence.",
    "warmup_steps": "Steps in which the learning rate rises to its full height.",
    "weight_decay_ppb": "Pulls weights back to zero, in per cent a step.",
    "epsilon_ppb": "Keeps early steps small. Lower makes training rough and influence unfaithful.",
    "clip_norm_ppb": "The largest gradient of a step; 0 for no limit.",
    "packing": "Puts short rows together into one sequence: faster.",
    "prompt_template": "A text with {prompt} and {completion}; empty for the model's own.",
    "checkpoint_count": "How many stages attribution looks at.",
    "target_modules": "Which layers learn.",
}
BASIC = ("learning_rate_ppb", "steps", "batch_rows", "rank", "alpha", "schedule", "tokens_max")
PERCENT = frozenset({"validation_ppb", "dropout_ppb", "weight_decay_ppb"})
FRACTION = frozenset({"learning_rate_ppb", "epsilon_ppb", "clip_norm_ppb"})
BATCH_SMOOTH, EPSILON_SMOOTH_PPB, RATE_SMOOTH_PPB = 50, 10_000, 6_000_000
_BOUNDS = {each.name: (each.least, each.most) for each in BOUNDS}


@dataclass(slots=True)
class TrainingForm:
    """The fields; `read` gives the parameters as the command line has them."""

    fields: dict[str, Callable[[], Any]] = field(default_factory=dict)

    def read(self) -> dict[str, Any]:
        """The parameters by name; raises `FieldInvalid`."""
        return {name: read() for name, read in self.fields.items()}


def training_form(notation: str, row_count: int, on_change: Callable[[], Any]) -> TrainingForm:
    """Put the fields on the page: the usual ones, and the others in a fold."""
    kind = parse_type(notation)
    if not isinstance(kind, Record):
        message = "The chain's training parameters are no record."
        raise FieldInvalid(message, remedy="Use the page Pallets.")
    defaults = asdict(default_training_parameters(row_count))
    form = TrainingForm()
    fields = dict(kind.fields)
    with ui.element("div").classes("form"):
        for name in (each for each in BASIC if each in fields):
            form.fields[name] = _field(name, fields[name], defaults.get(name), on_change)
    with (
        ui.expansion("Expert parameters", icon="tune").classes("full-width"),
        ui.element("div").classes("form"),
    ):
        for name in (each for each in fields if each not in BASIC):
            form.fields[name] = _field(name, fields[name], defaults.get(name), on_change)
    # In the order of the record, which is that of the chain.
    form.fields = {name: form.fields[name] for name in fields}
    return form


def readiness(parameters: dict[str, Any], row_count: int, rows_min: int) -> list[str]:
    """Why influence would be measured badly, or not at all; empty for a good recipe."""
    reasons = []
    if row_count < rows_min:
        reasons.append(f"the chain attributes models of at least {rows_min:,} rows")
    if parameters["batch_rows"] < BATCH_SMOOTH:
        reasons.append(f"batches of fewer than {BATCH_SMOOTH} rows are rough")
    if parameters["epsilon_ppb"] < EPSILON_SMOOTH_PPB:
        reasons.append("epsilon is small: early steps jump")
    if parameters["learning_rate_ppb"] > RATE_SMOOTH_PPB:
        reasons.append("the learning rate is high")
    if parameters.get("dropout_ppb"):
        reasons.append("dropout hides which row did what")
    if parameters.get("clip_norm_ppb"):
        reasons.append("clipping bends large gradients")
    return reasons


def _field(name: str, kind: Type, default: Any, on_change: Callable[[], Any]) -> Callable[[], Any]:
    label, hint = _label(name), HELP.get(name, "")
    match kind:
        case Boolean():
            switch = ui.switch(f"{label}. {hint}", value=bool(default), on_change=on_change)
            return lambda: bool(switch.value)
        case Enumeration():
            names = [member for member, _number in kind.members]
            shown = default.name if isinstance(default, IntEnum) else names[0]
            words = {each: each.lower() for each in names}
            chosen = ui.select(words, value=shown, label=label, on_change=on_change)
            _dress(chosen, hint)
            return lambda: chosen.value
    if name == "rank":
        rank = ui.select(list(RANKS), value=default, label=label, on_change=on_change)
        _dress(rank, hint)
        return lambda: rank.value
    if name == "target_modules":
        layers = list(TARGET_MODULES)
        modules = ui.select(layers, value=layers, label=label, multiple=True, on_change=on_change)
        _dress(modules, hint)
        return lambda: [each for each in TARGET_MODULES if each in modules.value]
    if name == "prompt_template":
        text = ui.input(label, value=str(default or ""), on_change=on_change)
        _dress(text, hint)
        return lambda: text.value or ""
    return _number(name, label, hint, default, on_change)


def _number(
    name: str, label: str, hint: str, default: Any, on_change: Callable[[], Any]
) -> Callable[[], int]:
    scale = PPB // 100 if name in PERCENT else PPB if name in FRACTION else 1
    least, most = _BOUNDS.get(name, (0, 2**32 - 1))
    shown = (default or 0) / scale if scale > 1 else default or 0
    entry = ui.number(label, value=shown, min=least / scale, max=most / scale, on_change=on_change)
    entry.props("step=any" if scale > 1 else "step=1")
    suffix = f"{hint} {least / scale:,g} to {most / scale:,g}." if name in _BOUNDS else hint
    _dress(entry, suffix)

    def read() -> int:
        value = round(float(entry.value if entry.value is not None else 0) * scale)
        if not least <= value <= most:
            message = f"{label} is {entry.value}."
            raise FieldInvalid(message, remedy=f"Choose {least / scale:,g} to {most / scale:,g}.")
        return value

    return read


def _dress(entry: ui.input | ui.number | ui.select, hint: str) -> None:
    entry.props("outlined dense hide-bottom-space")
    entry.props["hint"] = hint


def _label(name: str) -> str:
    return values.words(name.removesuffix("_ppb"))
