"""A LoRA adapter as PEFT stores it, checked field by field and packed into one row.

An adapter is known by its manifest hash, never by a name: a folder whose files have another hash is
refused, and nothing cached can be stale.  Only safetensors is read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ml.errors import ModelUnusable
from ml.exact.adapter import CONFIG_FILE, WEIGHTS_FILE, load_tensors
from ml.manifest import manifest_of
from ml.serving.errors import AdapterMissing, AdapterRefused
from ml.serving.layout import RANKS, RowLayout, rank_class
from ml.serving.rows import NUMBER_BYTES, AdapterRow

KEY_PREFIX = "base_model.model.model."
BASE_PREFIX = "openledger:"
"""A base model's name in an adapter that was trained here; its manifest hash in hex follows."""
CONFIG_BYTES_MAX = 65_536
HEADER_BYTES_MAX = 1_048_576
"""The most bytes of a weights file beside its numbers."""

_PLAIN: dict[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "use_dora": (False, None),
    "fan_in_fan_out": (False, None),
    "modules_to_save": (None, []),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "layer_replication": (None,),
    "lora_bias": (False, None),
    "alora_invocation_tokens": (None,),
    "trainable_token_indices": (None,),
}
"""Fields of a configuration and what they may be: anything else is more, or other, than LoRA."""


@dataclass(frozen=True, slots=True)
class AdapterLimits:
    """What a row must be to fit the engine's slots."""

    base_hash: bytes
    """The base model's manifest hash."""
    rank_max: int = RANKS[-1]


def load_adapter(
    directory: Path, adapter_hash: bytes, layout: RowLayout, limits: AdapterLimits
) -> AdapterRow:
    """Read and check the PEFT folder of one adapter.

    Raises `AdapterMissing` without folder, and `AdapterRefused` naming the field that is wrong.
    """
    if not directory.is_dir():
        raise AdapterMissing(
            f"No adapter {adapter_hash.hex()} is in {directory.parent}.",
            remedy="Fetch its files from the content store first.",
        )
    _check_files(directory, adapter_hash, layout)
    config = _read_config(directory / CONFIG_FILE)
    rank, scale = _check_config(config, limits)
    try:
        tensors = load_tensors(directory / WEIGHTS_FILE)
    except ModelUnusable as error:
        raise _refused(WEIGHTS_FILE, error.message, "readable safetensors weights") from error
    return AdapterRow(adapter_hash, rank_class(rank), scale, _pack(tensors, rank, scale, layout))


def _refused(field: str, found: object, wanted: str) -> AdapterRefused:
    return AdapterRefused(
        f"The adapter's {field} is {found!r}.", remedy=f"Only adapters with {wanted} are served."
    )


def _check_files(directory: Path, adapter_hash: bytes, layout: RowLayout) -> None:
    weights = directory / WEIGHTS_FILE
    if not weights.is_file():
        found = sorted(path.name for path in directory.glob("adapter_model.*"))
        raise _refused("list of weights files", found, f"weights in {WEIGHTS_FILE}")
    size_bytes, size_bytes_max = weights.stat().st_size, _weights_bytes_max(layout)
    if size_bytes > size_bytes_max:
        raise _refused(f"{WEIGHTS_FILE} size", size_bytes, f"at most {size_bytes_max} bytes")
    try:
        found_hash = manifest_of(directory).hash()
    except (ModelUnusable, OSError) as error:
        raise _refused("folder", str(error), "readable files") from error
    if found_hash != adapter_hash:
        raise AdapterRefused(
            f"The files in {directory} have the manifest hash {found_hash.hex()}.",
            remedy="Delete the folder and fetch the adapter again.",
        )


def _weights_bytes_max(layout: RowLayout) -> int:
    """Every number of the largest adapter in float64, and the header."""
    return 2 * NUMBER_BYTES * layout.size(RANKS[-1]) + HEADER_BYTES_MAX


def _read_config(path: Path) -> dict[str, Any]:
    try:
        size_bytes = path.stat().st_size
        if size_bytes > CONFIG_BYTES_MAX:
            raise _refused(f"{CONFIG_FILE} size", size_bytes, f"at most {CONFIG_BYTES_MAX} bytes")
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _refused(CONFIG_FILE, str(error), "a readable JSON configuration") from error
    if not isinstance(config, dict):
        raise _refused(CONFIG_FILE, type(config).__name__, "a JSON object as configuration")
    return config


def _check_config(config: dict[str, Any], limits: AdapterLimits) -> tuple[int, float]:
    """Return rank and scale of a configuration without any feature that is not plain LoRA."""
    for field, allowed in _PLAIN.items():
        found = config.get(field, allowed[-1] if field not in {"peft_type", "bias"} else "absent")
        if found not in allowed:
            raise _refused(field, found, f"{field} = {allowed[0]!r}")
    base = config.get("base_model_name_or_path")
    wanted = BASE_PREFIX + limits.base_hash.hex()
    # Others write a path or a hub's name there, which says nothing: the tensors' shapes decide.
    if isinstance(base, str) and base.startswith(BASE_PREFIX) and base != wanted:
        raise _refused("base_model_name_or_path", base, f"the base model {wanted}")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= limits.rank_max:
        raise _refused("r", rank, f"a rank r from 1 to {limits.rank_max}")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not math.isfinite(alpha):
        raise _refused("lora_alpha", alpha, "a finite number as lora_alpha")
    divisor = math.sqrt(rank) if config.get("use_rslora") else rank
    return rank, alpha / divisor


def _pack(
    tensors: dict[str, torch.Tensor], rank: int, scale: float, layout: RowLayout
) -> torch.Tensor:
    """Lay the tensors out as one row; raises `AdapterRefused` for one that has no place there."""
    width = rank_class(rank)
    values = torch.zeros(layout.size(width))
    places = layout.places(values, width)
    for key, tensor in tensors.items():
        name, half = _split(key, places)
        down, up = places[name]
        wanted = (rank, down.shape[1]) if half == "A" else (up.shape[1], rank)
        if tuple(tensor.shape) != wanted:
            raise _refused(f"shape of {key}", tuple(tensor.shape), f"the shape {wanted} there")
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            raise _refused(f"tensor {key}", "not finite numbers", "finite weights")
        other = key.replace(f".lora_{half}.", f".lora_{'B' if half == 'A' else 'A'}.")
        if other not in tensors:
            raise _refused(f"pair of {name}", f"lora_{half} alone", "both lora_A and lora_B")
        if half == "A":
            down[:rank].copy_(tensor)
        else:
            up[:rank].copy_(tensor.t().to(torch.float32) * scale)
    if not tensors:
        raise _refused(WEIGHTS_FILE, "empty", "at least one changed layer")
    return values


def _split(key: str, layers: Container[str]) -> tuple[str, str]:
    """Split `base_model.model.model.<layer>.lora_A.weight` into the layer and `A` or `B`."""
    for half in ("A", "B"):
        ending = f".lora_{half}.weight"
        if key.startswith(KEY_PREFIX) and key.endswith(ending):
            layer = key[len(KEY_PREFIX) : -len(ending)]
            if layer in layers:
                return layer, half
    raise _refused("tensor name", key, "LoRA pairs of this base model's linear layers")
