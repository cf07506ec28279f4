"""An ordinary torch copy of a base model, for what wants gradients or speed and no exact bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from ml.errors import ModelUnusable
from ml.exact.shape import MODEL_TYPES


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
