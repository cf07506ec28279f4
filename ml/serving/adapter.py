"""LoRA adapters as PEFT stores them, checked field by field, and the few that stay in memory.

An adapter is known by its manifest hash, never by a name: a folder whose files have another hash is
refused, and nothing cached can be stale.  Only safetensors is read.
"""

from __future__ import annotations

import json
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ml.errors import ModelUnusable
from ml.manifest import manifest_of
from ml.serving.errors import AdapterMissing, AdapterRefused
from ml.training.adapter import CONFIG_FILE, WEIGHTS_FILE, load_tensors

KEY_PREFIX = "base_model.model."
CONFIG_BYTES_MAX = 65_536
RANK_MAX = 256

LinearShapes = Mapping[str, tuple[int, int]]
"""The (outputs, inputs) of every linear layer of the base model that an adapter may change."""


@dataclass(frozen=True, slots=True)
class LowRankUpdate:
    """What an adapter adds to one linear layer: `scale * up @ down @ x`."""

    down: torch.Tensor
    """[rank, inputs], float32."""
    up: torch.Tensor
    """[outputs, rank], float32."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter in memory, immutable, so that requests may share it."""

    updates: Mapping[str, LowRankUpdate]
    """By the full name of the linear layer in the base model."""
    scale: float


class AdapterStore:
    """Adapters by manifest hash, from a folder, the most recently used kept in memory."""

    def __init__(self, directory: Path, shapes: LinearShapes, resident_max: int) -> None:
        """Read from `directory/<hash in hex>/`; keep at most `resident_max` adapters."""
        self._directory = directory
        self._shapes = shapes
        self._resident_max = resident_max
        self._resident: OrderedDict[bytes, Adapter] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, adapter_hash: bytes) -> Adapter:
        """The adapter; raises `AdapterMissing` and `AdapterRefused`."""
        with self._lock:
            adapter = self._resident.get(adapter_hash)
            if adapter is None:
                adapter = load_adapter(self._path(adapter_hash), adapter_hash, self._shapes)
                self._resident[adapter_hash] = adapter
                while len(self._resident) > self._resident_max:
                    self._resident.popitem(last=False)
            self._resident.move_to_end(adapter_hash)
            return adapter

    @property
    def resident_count(self) -> int:
        """How many adapters are in memory now."""
        return len(self._resident)

    def _path(self, adapter_hash: bytes) -> Path:
        path = self._directory / adapter_hash.hex()
        if not path.is_dir():
            raise AdapterMissing(
                f"No adapter {adapter_hash.hex()} is in {self._directory}.",
                remedy="Fetch its files from the content store first.",
            )
        return path


def load_adapter(directory: Path, adapter_hash: bytes, shapes: LinearShapes) -> Adapter:
    """Read and check the PEFT folder of one adapter; raises `AdapterRefused`."""
    try:
        found = manifest_of(directory).hash()
    except ModelUnusable as error:
        raise AdapterRefused(f"{directory}: {error.message}", remedy=error.remedy) from error
    if found != adapter_hash:
        raise AdapterRefused(
            f"The files in {directory} have the manifest hash {found.hex()}.",
            remedy="Delete the folder and fetch the adapter again.",
        )
    config = _read_config(directory / CONFIG_FILE)
    rank, scale = _check_config(config)
    try:
        tensors = load_tensors(directory / WEIGHTS_FILE)
    except ModelUnusable as error:
        raise _refused(WEIGHTS_FILE, error.message, "readable safetensors weights") from error
    return Adapter(_updates(tensors, rank, shapes), scale)


def _refused(field: str, found: object, wanted: str) -> AdapterRefused:
    return AdapterRefused(
        f"The adapter's {field} is {found!r}.", remedy=f"Only adapters with {wanted} are served."
    )


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


def _check_config(config: dict[str, Any]) -> tuple[int, float]:
    """Return rank and scale of a configuration without any feature that is not plain LoRA."""
    plain: dict[str, tuple[object, ...]] = {
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
    for field, allowed in plain.items():
        found = config.get(field, allowed[-1] if field not in {"peft_type", "bias"} else "absent")
        if found not in allowed:
            raise _refused(field, found, f"{field} = {allowed[0]!r}")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= RANK_MAX:
        raise _refused("r", rank, f"a rank r from 1 to {RANK_MAX}")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not math.isfinite(alpha):
        raise _refused("lora_alpha", alpha, "a finite number as lora_alpha")
    divisor = math.sqrt(rank) if config.get("use_rslora") else rank
    return rank, alpha / divisor


def _updates(
    tensors: dict[str, torch.Tensor], rank: int, shapes: LinearShapes
) -> dict[str, LowRankUpdate]:
    halves: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        layer, half = _parse_key(key, shapes)
        outputs, inputs = shapes[layer]
        wanted = (rank, inputs) if half == "A" else (outputs, rank)
        if tuple(tensor.shape) != wanted:
            raise _refused(f"shape of {key}", tuple(tensor.shape), f"the shape {wanted} there")
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            raise _refused(f"tensor {key}", "not finite numbers", "finite weights")
        halves.setdefault(layer, {})[half] = tensor.to(torch.float32)
    for layer, pair in halves.items():
        if len(pair) != 2:
            raise _refused(f"pair of {layer}", f"lora_{min(pair)} alone", "both lora_A and lora_B")
    if not halves:
        raise _refused(WEIGHTS_FILE, "empty", "at least one changed layer")
    return {layer: LowRankUpdate(pair["A"], pair["B"]) for layer, pair in halves.items()}


def _parse_key(key: str, shapes: LinearShapes) -> tuple[str, str]:
    """Split `base_model.model.<layer>.lora_A.weight` into the layer and `A` or `B`."""
    for half in ("A", "B"):
        ending = f".lora_{half}.weight"
        if key.startswith(KEY_PREFIX) and key.endswith(ending):
            layer = key[len(KEY_PREFIX) : -len(ending)]
            if layer in shapes:
                return layer, half
    raise _refused("tensor name", key, "LoRA pairs of this base model's linear layers")


LayerHook = Callable[[torch.nn.Module, tuple[torch.Tensor, ...], torch.Tensor], torch.Tensor]
"""What torch calls after a layer: its result replaces the layer's output."""


def layer_hook(name: str, active: Callable[[], Adapter | None]) -> LayerHook:
    """Return the forward hook that adds the active adapter's update to the layer `name`."""

    def add_update(
        _module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
    ) -> torch.Tensor:
        adapter = active()
        update = adapter.updates.get(name) if adapter is not None else None
        if adapter is None or update is None:
            return output
        narrow = torch.nn.functional.linear(inputs[0], update.down)
        return output + torch.nn.functional.linear(narrow, update.up) * adapter.scale

    return add_update
