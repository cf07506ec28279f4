"""What the plain server offers beside `node.api.requests`: no receipt has to state it.

framing: "chat" | "row"      the tokenizer's chat template; or the form of rows that adapters of
                             this project are trained on, where only the last question counts
merge: {"method": "linear" | "ties", "models": [...], "weights": [...], "density": 0.5}
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ml.serving.merging import WEIGHT_PPB_MAX, Merge
from node.api.requests import (
    CompletionRequest,
    Shape,
    number_field,
    parse_completion,
    wrong,
)
from runtime.types import PPB

BASE = b""
"""Stands for the base model where an adapter's hash is expected."""
Framing = Literal["chat", "row"]
_OFFERED = frozenset({"merge", "framing"})


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A request of the plain server."""

    common: CompletionRequest
    adapter: bytes | Merge | None
    model: str
    """As the client called it."""
    merged: tuple[str, ...]
    """The names of the adapters of a merge."""
    framing: Framing


def parse_plain(body: Any, shape: Shape, model_of: Callable[[object], bytes]) -> PlainRequest:
    """Check a body; raises `InvalidRequest` and `UnknownModel` naming the field."""
    common = parse_completion(body, shape, model_of, _OFFERED)
    fields = {name: value for name, value in body.items() if value is not None}
    names, adapter = _merge_of(fields, model_of)
    return PlainRequest(
        common=common,
        adapter=adapter or common.model or None,
        model=fields["model"],
        merged=names,
        framing=_framing(fields),
    )


def _framing(fields: dict[str, Any]) -> Framing:
    framing: Framing = fields.get("framing", "chat")
    if framing not in ("chat", "row"):
        raise wrong("framing", framing, "'chat' or 'row'")
    return framing


def _merge_of(
    fields: dict[str, Any], model_of: Callable[[object], bytes]
) -> tuple[tuple[str, ...], Merge | None]:
    """The recipe in `merge`; numbers are checked here, the rest by `Merge.check`."""
    recipe = fields.get("merge")
    if recipe is None:
        return (), None
    known = {"method", "models", "weights", "density"}
    if not isinstance(recipe, dict) or not recipe.keys() <= known:
        raise wrong("merge", recipe, f"an object with {', '.join(sorted(known))}")
    method, names, weights = (recipe.get(key) for key in ("method", "models", "weights"))
    if method not in {"linear", "ties"}:
        raise wrong("merge.method", method, "'linear' or 'ties'")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise wrong("merge.models", names, "a list of names in GET /v1/models")
    if not isinstance(weights, list):
        raise wrong("merge.weights", weights, "a list of numbers, one a model")
    places = {f"merge.weights[{place}]": weight for place, weight in enumerate(weights)}
    largest = WEIGHT_PPB_MAX / PPB
    weights_ppb = tuple(round(number_field(places, place, 0, 0, largest) * PPB) for place in places)
    density_ppb = round(number_field(recipe, "density", 1, 0, 1) * PPB)
    hashes = tuple(model_of(name) for name in names)
    if BASE in hashes:
        raise wrong("merge.models", names, "a list of adapters: the base model is in every merge")
    merge = Merge(method, hashes, weights_ppb, density_ppb)
    merge.check()
    return tuple(names), merge
