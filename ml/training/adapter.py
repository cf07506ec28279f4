"""A LoRA adapter on a frozen base model: built, read and written in PEFT's layout.

Only `safetensors` is read and no code of a model directory is run.  An adapter directory also holds
the checkpoints that attribution needs, so that the manifest hash on chain binds them too:

    adapter_config.json  adapter_model.safetensors      what PEFT and every server load
    checkpoints.json     checkpoint-00020.safetensors   what attribution loads beside them
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ml.errors import ModelUnusable
from ml.training.order import CounterStream
from runtime.wire.training_parameters import TrainingParameters

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
CHECKPOINTS_FILE = "checkpoints.json"
CHECKPOINTS_BYTES_MAX = 65_536
MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3")
"""Architectures whose logits are the last hidden states times the output embedding, no more."""


@dataclass(frozen=True, slots=True)
class LoraShape:
    """What determines an adapter's tensors, beside the base model."""

    rank: int
    alpha: int
    target_modules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Adapter weights after `step` steps, in `file`, and the learning rate used there."""

    step: int
    learning_rate: float
    file: str


class AdaptedModel:
    """A frozen base model with one trainable adapter, seen as the maps that training needs."""

    def __init__(self, base: Any, shape: LoraShape) -> None:
        """Attach an adapter to `base`, which belongs to this object from now on."""
        from peft import LoraConfig, inject_adapter_in_model

        config = LoraConfig(
            r=shape.rank,
            lora_alpha=shape.alpha,
            target_modules=list(shape.target_modules),
            lora_dropout=0.0,
            bias="none",
            task_type="CAUSAL_LM",
        )
        self.shape = shape
        self.network: Any = inject_adapter_in_model(config, base)
        self.parameters: dict[str, torch.nn.Parameter] = {
            _peft_name(name): parameter
            for name, parameter in sorted(self.network.named_parameters())
            if parameter.requires_grad
        }
        self.embedding: torch.nn.Module = base.get_input_embeddings()
        self.head: torch.nn.Module = base.get_output_embeddings()
        self.decoder: torch.nn.Module = base.get_decoder()
        self.context_tokens_max = int(base.config.max_position_embeddings)

    def hidden(self, embedded: torch.Tensor) -> torch.Tensor:
        """The last hidden states [rows, tokens, width] of embedded, right-padded tokens."""
        states: torch.Tensor = self.decoder(
            inputs_embeds=embedded, use_cache=False
        ).last_hidden_state
        return states

    @torch.no_grad()
    def initialise(self, key: bytes) -> None:
        """Draw every A uniformly from +-1/sqrt(inputs) as PEFT does, by our own stream; B is 0."""
        for name, parameter in self.parameters.items():
            if ".lora_A." not in name:
                parameter.zero_()
                continue
            drawn = CounterStream(key, f"initial {name}").uniform(parameter.numel())
            scale = 1.0 / math.sqrt(parameter.shape[1])
            parameter.copy_(torch.from_numpy(drawn).reshape(parameter.shape) * scale)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Set the adapter's weights; raises `ModelUnusable` unless names and shapes fit."""
        wanted = {name: tuple(parameter.shape) for name, parameter in self.parameters.items()}
        found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        if wanted != found:
            odd = sorted({name for name, _ in wanted.items() ^ found.items()})
            message = f"The adapter does not fit the base model, first at {odd[0]}."
            raise ModelUnusable(message, remedy="Use the base model that the adapter names.")
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[name])

    def tensors(self) -> dict[str, torch.Tensor]:
        """A copy of the adapter's weights by PEFT name, sorted."""
        return {name: value.detach().clone() for name, value in self.parameters.items()}


def load_base(base_model: Path, targets: tuple[str, ...]) -> Any:
    """Return a frozen float32 causal LM that has the `targets`; raises `ModelUnusable`."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    if not base_model.is_dir():
        message = f"There is no directory {base_model}."
        raise ModelUnusable(message, remedy="Give a directory with a Llama-family model.")
    try:
        base = AutoModelForCausalLM.from_pretrained(
            base_model, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        message = f"{base_model} is not a base model that can be loaded: {reason}"
        remedy = "Give a directory with config.json and model.safetensors."
        raise ModelUnusable(message, remedy=remedy) from error
    if base.config.model_type not in MODEL_TYPES:
        message = f"{base_model} holds a model of type {base.config.model_type}."
        raise ModelUnusable(message, remedy=f"Use one of type {', '.join(MODEL_TYPES)}.")
    present = {name.rpartition(".")[2] for name, _ in base.named_modules()}
    missing = [target for target in targets if target not in present]
    if missing:
        message = f"{base_model} has no layer called {', '.join(missing)}."
        raise ModelUnusable(message, remedy="Train other target modules, or another base model.")
    return base.requires_grad_(requires_grad=False).eval()


def shape_of(parameters: TrainingParameters) -> LoraShape:
    """The adapter that a training order asks for."""
    return LoraShape(parameters.rank, parameters.alpha, parameters.target_modules)


def save_config(directory: Path, shape: LoraShape, base_model: bytes) -> None:
    """Write PEFT's configuration; equal adapters get equal bytes, whoever writes them.

    PEFT's own writer would put in a local path, its version, and a set in hash order.
    """
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
    (directory / CONFIG_FILE).write_text(text, encoding="utf-8")


def load_shape(directory: Path) -> LoraShape:
    """Read an adapter's shape from its configuration; raises `ModelUnusable`."""
    path = directory / CONFIG_FILE
    config = _read_json(path)
    try:
        shape = LoraShape(config["r"], config["lora_alpha"], tuple(config["target_modules"]))
    except (KeyError, TypeError) as error:
        message = f"{path} is not a LoRA configuration: {error}."
        raise ModelUnusable(message, remedy="Fetch the adapter's files again.") from error
    numbers = (shape.rank, shape.alpha)
    names = all(isinstance(name, str) for name in shape.target_modules)
    if not names or not all(type(number) is int and number > 0 for number in numbers):
        message = f"{path} has rank {shape.rank!r}, alpha {shape.alpha!r} or odd target modules."
        raise ModelUnusable(message, remedy="Fetch the adapter's files again.")
    return shape


def save_checkpoints(directory: Path, checkpoints: tuple[Checkpoint, ...]) -> None:
    """Write the list of checkpoints that attribution reads."""
    entries = [
        {"file": point.file, "learning_rate": point.learning_rate, "step": point.step}
        for point in checkpoints
    ]
    text = json.dumps(entries, indent=2, sort_keys=True) + "\n"
    (directory / CHECKPOINTS_FILE).write_text(text, encoding="utf-8")


def load_checkpoints(directory: Path) -> tuple[Checkpoint, ...]:
    """Read the list of checkpoints; raises `ModelUnusable`."""
    path = directory / CHECKPOINTS_FILE
    entries = _read_json(path)
    try:
        points = tuple(
            Checkpoint(int(entry["step"]), float(entry["learning_rate"]), str(entry["file"]))
            for entry in entries
        )
    except (KeyError, TypeError, ValueError) as error:
        message = f"{path} is not a list of checkpoints: {error}."
        raise ModelUnusable(message, remedy="Fetch the adapter's files again.") from error
    if not points or not all(Path(point.file).name == point.file for point in points):
        message = f"{path} names no checkpoint, or one outside its directory."
        raise ModelUnusable(message, remedy="Use an adapter that was trained here.")
    return points


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors as safetensors, in the one form that PEFT reads as its own."""
    save_file(dict(tensors), path, metadata={"format": "pt"})


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file; raises `ModelUnusable`."""
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        message = f"{path} cannot be read: {error}."
        raise ModelUnusable(message, remedy="Fetch the adapter's files again.") from error
    return tensors


def _read_json(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return json.loads(file.read(CHECKPOINTS_BYTES_MAX))
    except (OSError, ValueError, RecursionError) as error:
        message = f"{path} cannot be read: {error}."
        raise ModelUnusable(message, remedy="Fetch the adapter's files again.") from error


def _peft_name(name: str) -> str:
    """The name in PEFT's files: under its wrapper, and without the adapter's name (`default`)."""
    return f"base_model.model.{name.replace('.default.', '.')}"
