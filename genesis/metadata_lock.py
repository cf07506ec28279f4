"""The runtime's metadata, locked in a file per spec version: no change goes unnoticed.

    python -m genesis.metadata_lock     write that of the current spec version, and docs/reference

`genesis/metadata/3.json` is what clients and stored data of spec version 3 rely on.  The rule: a
version's file may be written anew until the next version has one; then it is frozen.  So version 1
changes freely before the first release, and whoever releases a change of the runtime raises
`SPEC_VERSION` first.  Storage changes by migrations only: what `storage_problems` finds between two
versions is refused.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genesis import compose
from genesis.reference import write_pages
from runtime.errors import OpenLedgerError

DIRECTORY = Path(__file__).with_name("metadata")
RELEASE_REMEDY = (
    "Raise SPEC_VERSION in genesis/compose.py, register a @migration where storage changed, "
    "and run `python -m genesis.metadata_lock`."
)
_SHAPE = ("kind", "prefix", "key", "type", "default")
"""What of a storage item says how its entries are found and read."""


class MetadataLocked(OpenLedgerError):
    """The runtime differs from what its spec version is known for."""


def lock_file(spec_version: int) -> Path:
    """Where the metadata of a spec version are, or would be."""
    return DIRECTORY / f"{spec_version}.json"


def locked_versions() -> tuple[int, ...]:
    """The spec versions that have a lock, in order."""
    return tuple(sorted(int(path.stem) for path in DIRECTORY.glob("*.json")))


def render(metadata: Mapping[str, Any]) -> str:
    """Metadata as their file has them."""
    return json.dumps(metadata, indent=1, ensure_ascii=False) + "\n"


def check_lock(metadata: Mapping[str, Any]) -> None:
    """Raise `MetadataLocked` unless metadata are those of their spec version's lock."""
    _check_successor(metadata)
    version = metadata["spec_version"]
    path = lock_file(version)
    if not path.exists():
        message = f"Spec version {version} has no metadata lock."
        raise MetadataLocked(message, remedy="Run `python -m genesis.metadata_lock`.")
    locked = json.loads(path.read_text(encoding="utf-8"))
    if locked == metadata:
        return
    problems = storage_problems(locked, metadata)
    message = f"The runtime changed, and its spec version is still {version}. {' '.join(problems)}"
    raise MetadataLocked(message.strip(), remedy=RELEASE_REMEDY)


def write_lock(metadata: Mapping[str, Any]) -> Path:
    """Write the lock of the metadata's spec version; raises `MetadataLocked` where it may not."""
    version = metadata["spec_version"]
    newer = [each for each in locked_versions() if each > version]
    if newer:
        message = f"The metadata of spec version {version} are frozen: {newer[0]} is locked, too."
        raise MetadataLocked(message, remedy=RELEASE_REMEDY)
    _check_successor(metadata)
    path = lock_file(version)
    path.write_text(render(metadata), encoding="utf-8")
    return path


def storage_problems(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What `after` could not read of the state of `before`: one sentence a pallet."""
    pallets = {pallet["name"]: pallet for pallet in after["pallets"]}
    problems = []
    for old in before["pallets"]:
        new = pallets.get(old["name"])
        if new is None and old["storage"]:
            problems.append(
                f"The pallet {old['name']} is gone, and its storage is not: keep the pallet with a "
                "@migration that removes its entries."
            )
        elif new is not None:
            problems.extend(_pallet_problems(old, new))
    return problems


def _pallet_problems(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Changed items without a new version, or a version without its migrations."""
    name = old["name"]
    if new["version"] < old["version"]:
        return [f"The storage version of {name} went down: write version={old['version']}."]
    if new["version"] > old["version"]:
        steps = {each["to_version"] for each in new["migrations"]}
        missing = [step for step in range(old["version"] + 1, new["version"] + 1)
                   if step not in steps]  # fmt: skip
        return [f"{name} has no @migration(to={step})." for step in missing]
    now = {item["name"]: _shape(item) for item in new["storage"]}
    changed = [item["name"] for item in old["storage"] if now.get(item["name"]) != _shape(item)]
    if not changed:
        return []
    version = old["version"] + 1
    what = f"The storage of {name} changed ({', '.join(changed)}), and its version did not"
    return [f"{what}: write version={version} on the pallet, and a @migration(to={version})."]


def _shape(item: Mapping[str, Any]) -> dict[str, Any]:
    return {part: item.get(part) for part in _SHAPE}


def _check_successor(metadata: Mapping[str, Any]) -> None:
    """Raise `MetadataLocked` where the state of the version before could not be read."""
    before = [each for each in locked_versions() if each < metadata["spec_version"]]
    if not before:
        return
    previous = json.loads(lock_file(before[-1]).read_text(encoding="utf-8"))
    problems = storage_problems(previous, metadata)
    if problems:
        remedy = "Then run `python -m genesis.metadata_lock` again."
        raise MetadataLocked(" ".join(problems), remedy=remedy)


def main() -> None:
    """Write the lock of the current spec version; look at the difference before a commit."""
    try:
        write_lock(compose.compose_runtime().metadata())
    except MetadataLocked as error:
        sys.exit(f"{error.message} {error.remedy}")


if __name__ == "__main__":
    main()
    write_pages()
