"""LoRA adapters: their shape, their numbers as one vector, and PEFT's directories.

The vector holds, in sorted order of PEFT's names, every A [rank, inputs] and B [outputs, rank] in C
order.  One vector makes the optimiser a handful of kernels, and its bytes the canonical form.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from ml.errors import ModelUnusable
from ml.exact.shape import MODULES, ModelShape
from ml.exact.streams import CounterStream
from ml.lora_config import CONFIG_FILE, read_lora_config, unusable_config

WEIGHTS_FILE = "adapter_model.safetensors"
RANK_MAX = 256
"""The bound of the exact products over the rank (`ml.exact.linears`)."""


@dataclass(frozen=True, slots=True)
class AdapterShape:
    """What determines an adapter's tensors, beside the base model."""

    rank: int
    alpha: int
    target_modules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor's place in the vector."""

    name: str
    """PEFT's."""
    start: int
    sizes: tuple[int, int]

    @property
    def stop(self) -> int:
        """Where the next tensor starts."""
        return self.start + self.sizes[0] * self.sizes[1]


@dataclass(frozen=True)
class AdapterLayout:
    """Where each tensor of an adapter lies; raises `ModelUnusable` for a shape without sense."""

    model: ModelShape
    shape: AdapterShape

    def __post_init__(self) -> None:
        targets = self.shape.target_modules
        if not targets or len(set(targets)) != len(targets) or not set(targets) <= set(MODULES):
            message = f"The target modules are {', '.join(targets) or 'none'}."
            raise ModelUnusable(message, remedy=f"Choose among {', '.join(MODULES)}, each once.")
        if not 1 <= self.shape.rank <= RANK_MAX or self.shape.alpha < 1:
            message = f"The adapter has rank {self.shape.rank} and alpha {self.shape.alpha}."
            remedy = f"Choose a rank of 1 to {RANK_MAX} and a positive alpha."
            raise ModelUnusable(message, remedy=remedy)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The tensors by PEFT's name, sorted."""
        rank = self.shape.rank
        sizes: dict[str, tuple[int, int]] = {}
        for layer in range(self.model.layer_count):
            for module in self.shape.target_modules:
                outputs, inputs = self.model.sizes_of(module)
                sizes[peft_name(layer, module, "A")] = (rank, inputs)
                sizes[peft_name(layer, module, "B")] = (outputs, rank)
        entries, start = {}, 0
        for name in sorted(sizes):
            entries[name] = Entry(name, start, sizes[name])
            start = entries[name].stop
        return entries

    @cached_property
    def size(self) -> int:
        """How many numbers an adapter has."""
        return max(entry.stop for entry in self.entries.values())

    def view(self, vector: torch.Tensor, layer: int, module: str, part: str) -> torch.Tensor:
        """A [rank, inputs] or B [outputs, rank] of a module, as a view; leading sizes are kept."""
        return self.entry_view(vector, self.entries[peft_name(layer, module, part)])

    @staticmethod
    def entry_view(vector: torch.Tensor, entry: Entry) -> torch.Tensor:
        """The view of one entry."""
        return vector[..., entry.start : entry.stop].view(*vector.shape[:-1], *entry.sizes)

    def tensors(self, vector: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every tensor by its name, sorted, as views into `vector`."""
        return {name: self.entry_view(vector, entry) for name, entry in self.entries.items()}

    def vector(self, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The float32 vector of named tensors; raises `ModelUnusable` unless all fit."""
        wanted = {name: entry.sizes for name, entry in self.entries.items()}
        found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        if wanted != found:
            odd = sorted({name for name, _ in wanted.items() ^ found.items()})
            message = f"The adapter does not fit the base model, first at {odd[0]}."
            raise ModelUnusable(message, remedy="Use the base model that the adapter names.")
        return torch.cat([tensors[name].float().reshape(-1) for name in self.entries])

    def initial(self, key: bytes) -> torch.Tensor:
        """A fresh adapter: every A uniform within +-1/sqrt(inputs), as PEFT's; every B is 0."""
        vector = torch.zeros(self.size)
        for name, entry in self.entries.items():
            if ".lora_A." in name:
                drawn = CounterStream(key, f"initial {name}").uniform(entry.stop - entry.start)
                scale = 1.0 / math.sqrt(entry.sizes[1])
                vector[entry.start : entry.stop] = torch.from_numpy(drawn) * scale
        return vector


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter's numbers and where each of them lies."""

    layout: AdapterLayout
    vector: torch.Tensor
    """float32 [layout.size]"""


def peft_name(layer: int, module: str, part: str) -> str:
    """PEFT's name of a tensor; `part` is A or B."""
    block = "mlp" if module in {"gate_proj", "up_proj", "down_proj"} else "self_attn"
    return f"base_model.model.model.layers.{layer}.{block}.{module}.lora_{part}.weight"


def adapter_files(adapter: Adapter, base_model: bytes) -> dict[str, bytes]:
    """A PEFT directory over a base model (its manifest's hash); equal adapters, equal bytes.

    PEFT's own writer would put in a local path, its version, and a set in hash order.
    """
    shape = adapter.layout.shape
    config = {
        "base_model_name_or_path": f"openledger:{base_model.hex()}",
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "lora_alpha": shape.alpha,
        "lora_dropout": 0.0,
        "peft_type": "LORA",
        "r": shape.rank,
        "target_modules": sorted(shape.target_modules),
        "task_type": "CAUSAL_LM",
    }
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    tensors = {
        name: tensor.contiguous() for name, tensor in adapter.layout.tensors(adapter.vector).items()
    }
    return {CONFIG_FILE: text.encode(), WEIGHTS_FILE: save(tensors, metadata={"format": "pt"})}


def load_adapter(directory: Path, model: ModelShape) -> Adapter:
    """Read a PEFT directory for a base model of this shape; raises `ModelUnusable`."""
    layout = AdapterLayout(model, load_adapter_shape(directory))
    return Adapter(layout, layout.vector(load_tensors(directory / WEIGHTS_FILE)))


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file; raises `ModelUnusable`."""
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        message = f"{path} cannot be read: {error}."
        raise ModelUnusable(message, remedy="Fetch the adapter's files again.") from error
    return tensors


def load_adapter_shape(directory: Path) -> AdapterShape:
    """Read an adapter's shape from its configuration; raises `ModelUnusable`.

    The exact operators scale by an integer alpha over the rank.
    """
    config = read_lora_config(directory / CONFIG_FILE)
    alpha = config.whole_alpha
    if alpha is None or alpha < 1:
        raise unusable_config("lora_alpha", config.alpha, "a positive whole lora_alpha over r")
    if not config.target_modules:
        raise unusable_config("target_modules", [], "names of layers as target_modules")
    return AdapterShape(config.rank, alpha, config.target_modules)
