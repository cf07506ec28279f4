"""Adapters by name: whatever PEFT folder lies in a directory can be asked for at once.

    <adapters>/<name>/            PEFT's layout, as vLLM and `PeftModel.from_pretrained` read it
    <data>/by-hash/<hash>         a link to the folder that had this content when it was last asked
    <data>/by-hash/.packed/       packed rows (`ml.serving.packed`)

    <name>@<hash>                 a version: the content with this hash, whatever the name stands
                                  for now, as long as its packed row, or its folder, is there

A name stands for what its folder holds now.  The folder is looked at for every request, and hashed
again if a file in it has another size or time, so an adapter that was uploaded anew under its name
answers from then on, and one that was deleted is unknown.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from ml.errors import ModelUnusable
from ml.lora_config import CONFIG_FILE
from ml.manifest import manifest_of
from node.api.errors import InvalidRequest, UnknownModel
from node.api.requests import wrong

HASH_BYTES = 32
NAME_CHARACTERS_MAX = 200
"""Of a model, its version included; four bytes each are still less than a path may have."""
NAMES_MAX = 65_536
"""The most names whose hashes are remembered, and that are listed."""

_DIGITS = frozenset("0123456789abcdef")
_Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class _Known:
    signature: _Signature
    adapter_hash: bytes


class Catalogue:
    """The adapters of one directory; threads may share it."""

    def __init__(self, adapters: Path, links: Path) -> None:
        """Find adapters in `adapters`; make links in `links`, which exists."""
        self._adapters = adapters
        self._links = links
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """All adapters that are there now, sorted."""
        found = (path.parent.name for path in self._adapters.glob(f"*/{CONFIG_FILE}"))
        return sorted(name for name in found if not name.startswith("."))[:NAMES_MAX]

    def hash_of(self, name: str) -> bytes:
        """The content hash of what `name` stands for now.

        Raises `UnknownModel`, and `InvalidRequest` for a folder that cannot be hashed.
        """
        folder = self._adapters / name
        if not _is_plain(name) or not (folder / CONFIG_FILE).is_file():
            return self._version(name)
        signature = _signature_of(folder)
        with self._lock:
            known = self._known.get(name)
            if known is None or known.signature != signature:
                known = _Known(signature, self._hash(folder))
                self._known[name] = known
            self._known.move_to_end(name)
            if len(self._known) > NAMES_MAX:
                self._known.popitem(last=False)
            return known.adapter_hash

    def find(self, name: str, folder: Path, *, replace: bool) -> bytes:
        """The content hash of a folder that may get a name; raises `InvalidRequest`.

        It is somewhere in the directory, and only `replace` takes over a name that was given.
        """
        return self._hash(self._target(name, folder, replace=replace))

    def link(self, name: str, folder: Path, *, replace: bool) -> None:
        """Let `name` stand for a folder; raises `InvalidRequest` as `find` does."""
        target = self._target(name, folder, replace=replace)
        staging = self._adapters / f".{name}"
        staging.unlink(missing_ok=True)
        staging.symlink_to(target, target_is_directory=True)
        staging.replace(self._adapters / name)

    def _target(self, name: str, folder: Path, *, replace: bool) -> Path:
        target = self._folder(folder)
        if target is None:
            raise UnknownModel(
                f"There is no folder {str(folder)[:128]!r} in the server's folder of adapters.",
                remedy="Put it there first; nothing else of the machine is looked at.",
                parameter="lora_path",
            )
        place = self._adapters / name
        taken = place.is_symlink() or place.exists()
        if taken and not (replace and place.is_symlink()):
            raise wrong("lora_name", name, "free; load_inplace replaces what was loaded before")
        return target

    def _folder(self, folder: Path) -> Path | None:
        """A folder inside the directory, whatever links lead there; None for anything else."""
        try:
            target = (self._adapters / folder).resolve()
            inside = target.is_relative_to(self._adapters.resolve())
            return target if inside and target.is_dir() else None
        except (OSError, ValueError):  # too long, or of characters that no path has
            return None

    def unlink(self, name: str) -> None:
        """Let `name` stand for nothing again.

        Raises `UnknownModel`, and `InvalidRequest` for a folder, which is its owner's to delete.
        """
        place = self._adapters / name
        if not _is_plain(name) or not (place.is_symlink() or place.exists()):
            raise _unknown(name, "lora_name")
        if not place.is_symlink():
            raise wrong("lora_name", name, "one that was loaded: this is a folder of the store")
        place.unlink()

    def _version(self, name: str) -> bytes:
        """The hash in the name of a version that was here once; raises `UnknownModel`."""
        base, _, version = name.rpartition("@")
        is_hash = len(version) == 2 * HASH_BYTES and set(version) <= _DIGITS
        if not _is_plain(base) or not is_hash or not (self._links / version).is_symlink():
            raise _unknown(name, "model")
        return bytes.fromhex(version)

    def _hash(self, folder: Path) -> bytes:
        try:
            adapter_hash = manifest_of(folder).hash()
        except (ModelUnusable, OSError) as error:
            raise InvalidRequest(
                f"The model {folder.name!r} cannot be read: {error}",
                remedy="Ask for another, or have its files put right.",
                parameter="model",
            ) from error
        link, staging = self._links / adapter_hash.hex(), self._links / f".{adapter_hash.hex()}"
        staging.unlink(missing_ok=True)
        staging.symlink_to(folder.resolve(), target_is_directory=True)
        staging.replace(link)
        return adapter_hash


def _is_plain(name: str) -> bool:
    """Whether a name is that of something directly in a folder, and not hidden."""
    if not 0 < len(name) <= NAME_CHARACTERS_MAX or name[0] == "." or "\x00" in name:
        return False
    return Path(name).name == name


def _unknown(name: str, parameter: str) -> UnknownModel:
    return UnknownModel(
        f"There is no model {name[:64]!r}.",
        remedy="GET /v1/models lists those that there are.",
        parameter=parameter,
    )


def _signature_of(folder: Path) -> _Signature:
    """Names, sizes and times of the files in a folder."""
    with os.scandir(folder) as entries:
        stats = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))
