"""A LoRA adapter as PEFT stores it, checked field by field and packed into one row.

An adapter is known by its manifest hash, never by a name: a folder whose files have another hash is
refused, and nothing cached can be stale.  Only safetensors is read.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from ml.errors import ModelUnusable
from ml.exact.adapter import WEIGHTS_FILE, load_tensors, peft_name
from ml.exact.shape import MODULES
from ml.lora_config import CONFIG_FILE, LoraConfig, read_lora_config
from ml.manifest import manifest_of
from ml.serving.errors import AdapterMissing, AdapterRefused
from ml.serving.layout import RANKS, RowLayout, rank_class
from ml.serving.rows import NUMBER_BYTES, AdapterRow, new_values

KEY_PREFIX = "base_model.model.model."
BASE_PREFIX = "openledger:"
"""A base model's name in an adapter that was trained here; its manifest hash in hex follows."""
HEADER_BYTES_MAX = 1_048_576
"""The most bytes of a weights file beside its numbers."""


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
    config = _read_config(directory / CONFIG_FILE, limits)
    try:
        tensors = load_tensors(directory / WEIGHTS_FILE)
    except ModelUnusable as error:
        raise _refused(WEIGHTS_FILE, error.message, "readable safetensors weights") from error
    return AdapterRow(
        adapter_hash,
        rank_class(config.rank),
        config.scale,
        _pack(tensors, config.rank, layout),
        _is_verifiable(config, tensors, layout),
    )


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


def _read_config(path: Path, limits: AdapterLimits) -> LoraConfig:
    """Read a configuration that fits the base model and the slots."""
    try:
        config = read_lora_config(path)
    except ModelUnusable as error:
        raise AdapterRefused(error.message, remedy=error.remedy) from error
    base, wanted = config.base_model, BASE_PREFIX + limits.base_hash.hex()
    # Others write a path or a hub's name there, which says nothing: the tensors' shapes decide.
    if base.startswith(BASE_PREFIX) and base != wanted:
        raise _refused("base_model_name_or_path", base, f"the base model {wanted}")
    if config.rank > limits.rank_max:
        raise _refused("r", config.rank, f"a rank r from 1 to {limits.rank_max}")
    return config


def _is_verifiable(config: LoraConfig, tensors: Iterable[str], layout: RowLayout) -> bool:
    """Whether `ml.exact.adapter` reads the adapter too: all layers have all target modules."""
    targets = config.target_modules
    names = {
        peft_name(layer, module, part)
        for layer in range(layout.shape.layer_count)
        for module in targets
        for part in ("A", "B")
        if module in MODULES
    }
    return (config.whole_alpha or 0) >= 1 and set(tensors) == names


def _pack(tensors: dict[str, torch.Tensor], rank: int, layout: RowLayout) -> torch.Tensor:
    """Lay the tensors out as one row; raises `AdapterRefused` for one that has no place there."""
    width = rank_class(rank)
    values = new_values(layout.size(width))
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
            up[:rank].copy_(tensor.t())
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
