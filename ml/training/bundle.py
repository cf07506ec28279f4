"""One file with everything that is needed to run a training job again, anywhere and offline.

A plain zip archive:

    inputs.cbor        the work order and its rows (`inputs.py`)
    outcome.cbor       what the worker committed to on chain (`TrainingOutcome`)
    transcript.cbor    the blob of its leaves
    base/              the base model's files

`verify_bundle` trusts none of it: it runs the job and compares roots.  Whoever has the job's record
on chain compares the order's hash and the outcome with it.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from ml.errors import BundleUnreadable
from ml.manifest import FILES_MAX, manifest_of
from ml.training.inputs import decode_inputs
from ml.training.run_files import TRANSCRIPT_FILE
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.merkle import list_root
from runtime.wire.blobs import decode_blob
from runtime.wire.records import TrainingOutcome
from runtime.wire.training_parameters import leaves_of
from runtime.wire.transcripts import first_difference

INPUTS_FILE = "inputs.cbor"
OUTCOME_FILE = "outcome.cbor"
BASE_FOLDER = "base"
RUN_FOLDER = "run"
FILE_BYTES_MAX = 64 * 2**30
"""The largest file of a bundle."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file: equal bundles have equal bytes."""


Run: TypeAlias = Callable[[Path, bytes, Path], TrainingOutcome]
"""Runs the job of some inputs in a folder, on the base model in another one."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What running a bundle's job again has shown."""

    claimed: TrainingOutcome
    found: TrainingOutcome
    first_difference: int | None
    """The first leaf of the bundle's transcript that is not the right one."""

    @property
    def holds(self) -> bool:
        """Whether the worker committed to what its order determines."""
        return self.claimed == self.found


def write_bundle(
    path: Path, inputs: bytes, outcome: TrainingOutcome, transcript: bytes, base_model: Path
) -> None:
    """Write the file; `inputs` and `transcript` are the blobs that the names say."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(_entry(INPUTS_FILE), inputs)
        archive.writestr(_entry(OUTCOME_FILE), codec_of(TrainingOutcome).encode(outcome))
        archive.writestr(_entry(TRANSCRIPT_FILE), transcript)
        for file in manifest_of(base_model).files:
            entry = _entry(f"{BASE_FOLDER}/{file.name}")
            with (base_model / file.name).open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target)


def verify_bundle(path: Path, folder: Path, run: Run) -> Verification:
    """Have a bundle's job run again in an empty `folder` and compare.

    Raises `BundleUnreadable`, and what `run` raises for contents that contradict each other.
    """
    extract_bundle(path, folder)
    inputs = (folder / INPUTS_FILE).read_bytes()
    count = leaves_of(decode_inputs(inputs)[0].parameters)
    try:
        claimed = codec_of(TrainingOutcome).decode((folder / OUTCOME_FILE).read_bytes())
        leaves = decode_blob((folder / TRANSCRIPT_FILE).read_bytes(), count)
    except DecodeError as error:
        raise BundleUnreadable(f"{path}: {error.message}", remedy="Fetch it again.") from error
    if list_root(leaves) != claimed.transcript_root:
        message = f"{path} holds another transcript than its outcome commits to."
        raise BundleUnreadable(message, remedy="Fetch it again.")
    found = run(folder / RUN_FOLDER, inputs, folder / BASE_FOLDER)
    own = decode_blob((folder / RUN_FOLDER / TRANSCRIPT_FILE).read_bytes(), count)
    return Verification(claimed, found, first_difference(leaves, own))


def extract_bundle(path: Path, folder: Path) -> None:
    """Unpack a bundle into `folder`; raises `BundleUnreadable` for what is no bundle."""
    (folder / BASE_FOLDER).mkdir(parents=True)
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in _checked_entries(path, archive):
                with archive.open(entry) as source, (folder / entry.filename).open("wb") as target:
                    shutil.copyfileobj(source, target)
    except (OSError, zipfile.BadZipFile) as error:
        message = f"{path} is not a bundle: {error}."
        raise BundleUnreadable(message, remedy="Write it with `openledger job bundle`.") from error


def _checked_entries(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The entries, all of which have names and sizes that a bundle has."""
    entries = archive.infolist()
    top = {INPUTS_FILE, OUTCOME_FILE, TRANSCRIPT_FILE}
    names = [PurePosixPath(entry.filename) for entry in entries]
    base = [name for name in names if str(name) not in top]
    is_plain = all(
        entry.compress_type == zipfile.ZIP_STORED and entry.file_size <= FILE_BYTES_MAX
        for entry in entries
    )
    is_flat = all(str(name) == f"{BASE_FOLDER}/{name.name}" != f"{BASE_FOLDER}/" for name in base)
    is_whole = len(set(names)) == len(names) and top <= {str(name) for name in names}
    if not (is_plain and is_flat and is_whole and 1 <= len(base) <= FILES_MAX):
        message = f"{path} does not hold what a bundle holds."
        raise BundleUnreadable(message, remedy="Write it with `openledger job bundle`.")
    return entries


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, _EPOCH)
