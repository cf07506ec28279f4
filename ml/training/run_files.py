"""The folder of a training run, written so that a killed run goes on from its last kept state.

    <output>/leaves             encoded leaves so far, each behind its length in 2 bytes
    <output>/states/00008       a kept state, in its canonical bytes
    <output>/metrics.jsonl      one line a leaf, for whoever draws a curve
    <output>/adapter/           the PEFT directory, at the end
    <output>/transcript.cbor    the blob of all leaves, at the end
    <output>/abort              put there by who wants the run to end after the current step

A state appears whole or not at all, and after the leaves that lead to it.  Whatever does not fit
together is not used: the run then begins anew, which gives the same bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.exact.loss import LOSS_UNITS
from runtime.errors import DecodeError
from runtime.wire.blobs import encode_blob
from runtime.wire.transcripts import LEAF_BYTES_MAX, TranscriptLeaf, decode_leaf, state_root

ADAPTER_DIRECTORY = "adapter"
TRANSCRIPT_FILE = "transcript.cbor"
METRICS_FILE = "metrics.jsonl"
ABORT_FILE = "abort"
_LEAVES, _STATES = "leaves", "states"
_LENGTH_BYTES = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run can go on: its leaves up to a kept state, and that state."""

    leaves: tuple[TranscriptLeaf, ...]
    state: bytes


class RunFiles:
    """Reads and writes one run's folder."""

    def __init__(self, directory: Path) -> None:
        """Create the folder unless it is there."""
        self.directory = directory
        self._states = directory / _STATES
        self._states.mkdir(parents=True, exist_ok=True)

    @property
    def is_aborted(self) -> bool:
        """Whether somebody wants the run to end after the current step."""
        return (self.directory / ABORT_FILE).exists()

    def resume(self) -> Progress | None:
        """The furthest kept state with the leaves that lead to it, if there is any."""
        leaves = tuple(self._stored_leaves())
        for step in sorted(self.kept(), reverse=True):
            state = self.state(step)
            if step < len(leaves) and state_root(state) == leaves[step].state_root:
                return Progress(leaves[: step + 1], state)
        return None

    def start(self, leaves: Sequence[TranscriptLeaf]) -> None:
        """Drop what follows these leaves, and everything without any."""
        for step in self.kept():
            if step >= len(leaves):
                self._state_path(step).unlink()
        shutil.rmtree(self.directory / ADAPTER_DIRECTORY, ignore_errors=True)
        (self.directory / _LEAVES).write_bytes(b"".join(_framed(leaf) for leaf in leaves))
        lines = [_line(leaf, None) for leaf in leaves]
        (self.directory / METRICS_FILE).write_text("".join(lines), encoding="utf-8")

    def add(self, leaf: TranscriptLeaf, validation_loss: int | None) -> None:
        """Append a leaf, and what a reader of the metrics wants to know."""
        with (self.directory / _LEAVES).open("ab") as file:
            file.write(_framed(leaf))
        with (self.directory / METRICS_FILE).open("a", encoding="utf-8") as lines:
            lines.write(_line(leaf, validation_loss))

    def keep(self, step: int, state: bytes) -> None:
        """Keep the state after a step, with all leaves before it on disk."""
        with (self.directory / _LEAVES).open("ab") as file:
            os.fsync(file.fileno())
        temporary = self._states / f".{step}.new"
        with temporary.open("wb") as file:
            file.write(state)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._state_path(step))

    def kept(self) -> tuple[int, ...]:
        """The steps whose states are kept, in order."""
        return tuple(sorted(int(path.name) for path in self._states.glob("[0-9]*")))

    def state(self, step: int) -> bytes:
        """The kept state after a step."""
        return self._state_path(step).read_bytes()

    def drop_states(self) -> None:
        """Forget the kept states: nobody can ask for one any more."""
        shutil.rmtree(self._states)

    def finish(self, leaves: Sequence[bytes], adapter: Mapping[str, bytes]) -> bytes:
        """Write the transcript, and the PEFT directory if there is one; returns the blob."""
        directory = self.directory / ADAPTER_DIRECTORY
        for name, data in adapter.items():
            directory.mkdir(exist_ok=True)
            (directory / name).write_bytes(data)
        blob = encode_blob(leaves)
        (self.directory / TRANSCRIPT_FILE).write_bytes(blob)
        return blob

    def _state_path(self, step: int) -> Path:
        return self._states / f"{step:05d}"

    def _stored_leaves(self) -> Iterator[TranscriptLeaf]:
        """The leaves on disk, up to the first that is not whole."""
        path = self.directory / _LEAVES
        data = path.read_bytes() if path.exists() else b""
        start = 0
        with contextlib.suppress(struct.error, DecodeError):
            while start < len(data):
                (length,) = struct.unpack_from(">H", data, start)
                start += _LENGTH_BYTES + min(length, LEAF_BYTES_MAX)
                yield decode_leaf(data[start - length : start])


def _framed(leaf: TranscriptLeaf) -> bytes:
    data = leaf.encode()
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def _line(leaf: TranscriptLeaf, validation_loss: int | None) -> str:
    (rate,) = struct.unpack(">f", leaf.learning_rate_bits.to_bytes(4, "big"))
    entry = {
        "step": leaf.step,
        "loss": leaf.loss_grid / LOSS_UNITS,
        "learning_rate": rate,
        "validation_loss": None if validation_loss is None else validation_loss / LOSS_UNITS,
        "rows": leaf.cursor,
        "fault": leaf.fault,
    }
    return json.dumps(entry) + "\n"
