"""Adapters by name: whatever PEFT folder lies in a directory can be asked for at once.

    <adapters>/<name>/            PEFT's layout, as vLLM and `PeftModel.from_pretrained` read it
    <data>/by-hash/<hash>         a link to the folder that had this content when it was last asked
    <data>/by-hash/.packed/       packed rows (`ml.serving.packed`)

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
from ml.exact.adapter import CONFIG_FILE
from ml.manifest import manifest_of
from node.api.errors import InvalidRequest, UnknownModel

NAMES_MAX = 65_536
"""The most names whose hashes are remembered, and that are listed."""

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
        plain = bool(name) and Path(name).name == name and not name.startswith(".")
        if not plain or "\x00" in name or not (folder / CONFIG_FILE).is_file():
            raise UnknownModel(
                f"There is no model {name[:64]!r}.",
                remedy="GET /v1/models lists those that there are.",
                parameter="model",
            )
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


def _signature_of(folder: Path) -> _Signature:
    """Names, sizes and times of the files in a folder."""
    with os.scandir(folder) as entries:
        stats = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))
