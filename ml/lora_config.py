"""The configuration of a LoRA adapter in PEFT's layout, read and checked in one place.

Plain LoRA alone is read: whatever else a configuration asks for would be left out unseen.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.errors import ModelUnusable

CONFIG_FILE = "adapter_config.json"
CONFIG_BYTES_MAX = 65_536

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
_REQUIRED = frozenset({"peft_type", "bias"})


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """What a configuration says, beside the tensors."""

    rank: int
    alpha: float
    """An integer where the file has one."""
    root_scaled: bool
    """Whether alpha is divided by the root of the rank (rsLoRA), else by the rank."""
    target_modules: tuple[str, ...]
    """Names of linear layers; empty where the file has a pattern instead."""
    base_model: str
    """As the file names it; empty if it does not."""

    @property
    def scale(self) -> float:
        """The factor of what the adapter adds."""
        return self.alpha / (math.sqrt(self.rank) if self.root_scaled else self.rank)

    @property
    def whole_alpha(self) -> int | None:
        """Alpha where the scale is an integer over the rank, which exact training has; or None."""
        return self.alpha if isinstance(self.alpha, int) and not self.root_scaled else None


def read_lora_config(path: Path) -> LoraConfig:
    """Read a configuration file; raises `ModelUnusable` naming the field that is wrong."""
    fields = read_json(path, CONFIG_BYTES_MAX)
    if not isinstance(fields, dict):
        raise unusable_config(path.name, type(fields).__name__, "a JSON object as configuration")
    for field, allowed in _PLAIN.items():
        found = fields.get(field, "absent" if field in _REQUIRED else allowed[-1])
        if found not in allowed:
            raise unusable_config(field, found, f"{field} = {allowed[0]!r}")
    rank, alpha = fields.get("r"), fields.get("lora_alpha")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise unusable_config("r", rank, "a positive rank r")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not math.isfinite(alpha):
        raise unusable_config("lora_alpha", alpha, "a finite number as lora_alpha")
    targets, base = fields.get("target_modules"), fields.get("base_model_name_or_path")
    names = targets if isinstance(targets, list) else []
    if not all(isinstance(name, str) for name in names):
        raise unusable_config("target_modules", targets, "names of layers as target_modules")
    return LoraConfig(
        rank,
        alpha,
        bool(fields.get("use_rslora")),
        tuple(names),
        base if isinstance(base, str) else "",
    )


def unusable_config(field: str, found: object, wanted: str) -> ModelUnusable:
    """The error for a field of a configuration that is not as `wanted`."""
    return ModelUnusable(
        f"The adapter's {field} is {found!r} ({CONFIG_FILE}).",
        remedy=f"Only adapters with {wanted} are read.",
    )


def read_json(path: Path, bytes_max: int) -> Any:
    """The value of a small JSON file; raises `ModelUnusable`."""
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
        if len(data) > bytes_max:
            message = f"{path} has more than {bytes_max} bytes."
            raise ModelUnusable(message, remedy="Fetch the model's files again.")
        return json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        message = f"{path} cannot be read: {error}."
        raise ModelUnusable(message, remedy="Fetch the model's files again.") from error
