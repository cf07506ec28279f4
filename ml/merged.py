"""An adapter and its base model as one, in transformers' layout: for who serves no adapters."""

from __future__ import annotations

from pathlib import Path

from ml.base_model import load_base
from ml.training.encode import load_tokenizer


def save_merged(base_model: Path, adapter: Path, output: Path) -> None:
    """Write the merged model, as safetensors, and its tokenizer; raises `ModelUnusable`.

    The numbers are those of PEFT's own merge: the product of the adapter's matrices is added to
    each layer's weights, in float32.
    """
    from peft import PeftModel

    merged = PeftModel.from_pretrained(load_base(base_model, ()), adapter).merge_and_unload()
    merged.save_pretrained(output)
    load_tokenizer(base_model).save_pretrained(output)
