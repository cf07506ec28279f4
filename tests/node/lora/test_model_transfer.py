"""Adapters come into a server's folder checked, and merged models answer as their parts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from ml.errors import ModelUnusable
from ml.manifest import manifest_of
from ml.merged import save_merged
from ml.serving.errors import AdapterRefused
from node.errors import ConfigError
from node.model_transfer import import_adapter
from tests.ml.serving.adapters import PROMPT, peft_tokens
from tests.node.conftest import Finished

# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


def test_an_adapter_is_imported_by_the_command(
    base: Path,
    store: Path,
    tmp_path: Path,
    openledger: Callable[..., Finished],
) -> None:
    """Under a name, without what a server does not read; the version is its content hash."""
    source = shutil.copytree(store / "red", tmp_path / "downloaded")
    (source / "README.md").write_text("A card.")
    (source / "training_args.bin").write_bytes(b"a pickle")
    version = manifest_of(store / "red").hash().hex()
    options = ("--adapters", str(store), "--name", "scarlet", "--base", str(base), "--json")
    imported = json.loads(openledger("model", "import", str(source), *options).stdout)
    assert imported["version"] == version
    files = {path.name for path in (store / "scarlet").iterdir()}
    assert files == {"adapter_config.json", "adapter_model.safetensors"}
    again = openledger("model", "import", str(source), *options)
    assert again.returncode == 2
    assert "is there already" in again.stderr


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden"])
def test_a_name_is_plain(base: Path, store: Path, name: str) -> None:
    """It is the name of a folder directly in the folder of adapters."""
    with pytest.raises(ConfigError, match="no name"):
        import_adapter(store / "red", base, store, name)


def test_what_does_not_fit_is_not_imported(base: Path, store: Path, tmp_path: Path) -> None:
    """Missing weights, pickles, another rank: the folder of adapters stays as it is."""
    source = shutil.copytree(store / "red", tmp_path / "source")
    before = sorted(store.iterdir())
    config = json.loads((source / "adapter_config.json").read_text())
    (source / "adapter_config.json").write_text(json.dumps(config | {"r": 16}))
    with pytest.raises(AdapterRefused, match="shape"):
        import_adapter(source, base, store, "new")
    (source / "adapter_model.safetensors").rename(source / "adapter_model.bin")
    with pytest.raises(ConfigError, match=r"adapter_model\.safetensors"):
        import_adapter(source, base, store, "new")
    with pytest.raises(ModelUnusable, match=r"config\.json"):
        import_adapter(store / "red", tmp_path, store, "new")
    assert sorted(store.iterdir()) == before


def test_a_merged_model_answers_as_adapter_and_base(
    base: Path, store: Path, tmp_path: Path
) -> None:
    """Token by token, loaded by transformers alone."""
    digest = manifest_of(store / "red").hash()
    (store / "red").rename(store / digest.hex())
    save_merged(base, store / digest.hex(), tmp_path / "merged")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    output = model.generate(
        input_ids=torch.tensor([PROMPT]),
        attention_mask=torch.ones(1, len(PROMPT), dtype=torch.long),
        max_new_tokens=8,
        do_sample=False,
    )
    answer = output[0, len(PROMPT) :].tolist()
    expected = peft_tokens(base, store, digest, 8)
    assert answer[: len(expected)] == expected
    assert (tmp_path / "merged" / "tokenizer.json").exists()
