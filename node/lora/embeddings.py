"""The body of `/v1/embeddings`, and its answer."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from node.api.errors import InvalidRequest, UnknownModel
from node.api.requests import encodable, wrong

INPUTS_MAX = 256
_KNOWN = frozenset({"model", "input", "encoding_format", "dimensions", "user"})
_WANTED = f"a text, tokens, or a list of 1 to {INPUTS_MAX} of them"


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """What a client wants vectors of."""

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    """Texts, or tokens of the base model."""
    encoding: Literal["float", "base64"]


def parse_embedding(body: Any, base_name: str, width: int) -> EmbeddingRequest:
    """Check a body; raises `InvalidRequest` naming the field.

    Vectors are of the base model `base_name` alone, and have `width` numbers.
    """
    if not isinstance(body, dict):
        raise InvalidRequest("The body is not a JSON object.", remedy="Send one JSON object.")
    fields = {name: value for name, value in body.items() if value is not None}
    for name in fields.keys() - _KNOWN:
        message = f"There is no parameter {name[:80]!r}."
        raise InvalidRequest(message, remedy="Leave it out.", parameter=name[:80])
    model = fields.get("model")
    if not isinstance(model, str):
        raise wrong("model", model, f"{base_name!r}")
    if model != base_name:
        message = f"There are no vectors of a model {model[:64]!r}."
        remedy = f"Ask for those of the base model, {base_name!r}: adapters have none."
        raise UnknownModel(message, remedy=remedy, parameter="model")
    encoding = fields.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        raise wrong("encoding_format", encoding, "'float' or 'base64'")
    if fields.get("dimensions", width) != width:
        raise wrong("dimensions", fields["dimensions"], f"{width}, or left out")
    return EmbeddingRequest(base_name, _inputs(fields.get("input")), encoding)


def embedding_answer(
    wanted: EmbeddingRequest, vectors: Sequence[list[float]], tokens: int
) -> dict[str, Any]:
    """The body of the answer, as OpenAI has it."""
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(wanted, vector)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": wanted.model, "usage": usage}


def _encoded(wanted: EmbeddingRequest, vector: list[float]) -> list[float] | str:
    if wanted.encoding == "float":
        return vector
    return base64.b64encode(np.array(vector, dtype="<f4").tobytes()).decode()


def _inputs(value: object) -> tuple[str | tuple[int, ...], ...]:
    items = value if isinstance(value, list) and not _are_tokens(value) else [value]
    if not 1 <= len(items) <= INPUTS_MAX:
        raise wrong("input", f"of {len(items)} items", _WANTED)
    return tuple(_input(item) for item in items)


def _input(item: object) -> str | tuple[int, ...]:
    if isinstance(item, str) and item:
        return encodable(item, "input")
    if isinstance(item, list) and _are_tokens(item):
        return tuple(item)
    raise wrong("input", item, _WANTED)


def _are_tokens(items: list[Any]) -> bool:
    return bool(items) and all(
        isinstance(each, int) and not isinstance(each, bool) for each in items
    )
