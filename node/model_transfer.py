"""Models that leave the chain with their card, adapters for servers, and proposed base models.

<output>/README.md     the model card: lineage, all of it from the chain
<output>/adapter/      the adapter's files, unchanged: their manifest hash is the model's
<output>/merged/       if asked for: adapter and base model as one, in transformers' layout
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ml.exact.adapter import WEIGHTS_FILE
from ml.exact.model import load_shape
from ml.lora_config import CONFIG_FILE
from ml.manifest import manifest_of
from ml.merged import save_merged
from ml.serving.adapter import AdapterLimits, load_adapter
from ml.serving.base import base_shape
from ml.serving.layout import RANKS, RowLayout
from ml.training.recipe import work_shape
from node.client import NodeClient
from node.errors import ConfigError
from node.lineage import Lineage, lineage_of, model_card
from node.workers.model_folders import fetch_folder, upload_folder
from pallets.models.pallet import Models
from runtime.keys import Keypair

ADAPTER_FOLDER = "adapter"
MERGED_FOLDER = "merged"
CARD_FILE = "README.md"


def export_model(
    client: NodeClient, model: bytes, output: Path, merge_into: Path | None = None
) -> Lineage:
    """Write a registered adapter with its card to `output`, which is made.

    With `merge_into`, the folder of its base model, a merged model is written, too.  Raises
    `NotFound`, `ConfigError`, `ModelUnusable` and what the content store refuses.
    """
    lineage = lineage_of(client, model)
    _check_base(lineage, merge_into)
    staging = _staging(output)
    try:
        adapter = fetch_folder(client, model, staging).rename(staging / ADAPTER_FOLDER)
        (staging / CARD_FILE).write_text(model_card(lineage, merged=False), encoding="utf-8")
        if merge_into is not None:
            save_merged(merge_into, adapter, staging / MERGED_FOLDER)
            card = model_card(lineage, merged=True)
            (staging / MERGED_FOLDER / CARD_FILE).write_text(card, encoding="utf-8")
        staging.rename(output)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return lineage


def import_adapter(source: Path, base_model: Path, adapters: Path, name: str) -> bytes:
    """Check a PEFT folder, or what `export_model` wrote, and copy it to `adapters/name`.

    Returns its content hash.  Raises `ConfigError`, `ModelUnusable` and `AdapterRefused`, which
    names the field that is wrong.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise ConfigError(f"{name!r} is no name of an adapter.", remedy="Give a plain name.")
    folder = source / ADAPTER_FOLDER if (source / ADAPTER_FOLDER).is_dir() else source
    staging = _staging(adapters / name)
    try:
        for file in manifest_of(folder).files:
            # Nothing else is read: no pickle, no code, no card of somebody else.
            if file.name.endswith((".safetensors", ".json")):
                shutil.copyfile(folder / file.name, staging / file.name)
        _check_files(staging, source)
        adapter = manifest_of(staging).hash()
        _check_adapter(staging, adapter, base_model)
        staging.rename(adapters / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return adapter


def propose_base(client: NodeClient, keypair: Keypair, folder: Path) -> bytes:
    """Upload a base model and propose it by its name; returns its hash.

    Files that the content store does not take have to be brought to every validator by hand.
    Raises `ModelUnusable`, `CallFailed`, and `ContentTooLarge` for such a file.
    """
    shape = work_shape(folder)
    content_hash = upload_folder(client, folder)
    name = folder.resolve().name
    call = Models.register_base.Call(content_hash=content_hash, name=name, shape=shape)
    client.submit(call, keypair)
    return content_hash


def _staging(target: Path) -> Path:
    """A new folder beside `target`, which is not there yet."""
    if target.exists() or target.is_symlink():
        raise ConfigError(f"{target} is there already.", remedy="Give another name.")
    staging = target.with_name(f".{target.name}-incoming")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
    except OSError as error:
        message = f"{staging} cannot be made: {error.strerror}."
        raise ConfigError(message, remedy="Choose a folder that you may write to.") from error
    return staging


def _check_base(lineage: Lineage, base_model: Path | None) -> None:
    if base_model is not None and manifest_of(base_model).hash() != lineage.record.base_model:
        message = f"{base_model} is not the model's base {lineage.record.base_model.hex()}."
        raise ConfigError(message, remedy="Give the folder of that base model with --base.")


def _check_files(folder: Path, source: Path) -> None:
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            message = f"{source} has no {name}."
            remedy = "Give a folder in PEFT's layout, saved as safetensors."
            raise ConfigError(message, remedy=remedy)


def _check_adapter(folder: Path, adapter: bytes, base_model: Path) -> None:
    shape = load_shape(base_model)
    layout = RowLayout(base_shape(shape, shape.positions_max))
    load_adapter(folder, adapter, layout, AdapterLimits(manifest_of(base_model).hash(), RANKS[-1]))
