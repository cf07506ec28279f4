"""The kept states of training runs in the content store.

A run's outcome names the blob of its `StateRecord`s; a record names the blob of its state's parts.
Whoever fetches a state checks it against the leaf of its step, to which the job is committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.client import NodeClient
from node.workers.errors import JobRefused
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.merkle import list_root
from runtime.wire.blobs import decode_blob, encode_blob
from runtime.wire.influence_transcripts import decode_influence_leaf
from runtime.wire.records import JobKind, TrainingOutcome
from runtime.wire.training_parameters import KEPT_STEPS_MAX
from runtime.wire.transcripts import (
    STATE_PARTS_MAX,
    StateRecord,
    decode_leaf,
    state_parts,
    state_root,
)

if TYPE_CHECKING:  # it loads torch, which who only reads does without
    from ml.training.run_files import RunFiles

_REMEDY = "Do not rely on this job's states; its worker must answer for them."


def upload_state(client: NodeClient, state: bytes) -> bytes:
    """Store a state's parts and the blob that lists them; returns the blob's content hash."""
    return client.put_content(
        encode_blob([client.put_content(part) for part in state_parts(state)])
    )


def upload_states(client: NodeClient, files: RunFiles) -> bytes:
    """Store every kept state of a run; returns the content hash of the blob of their records."""
    records = [
        StateRecord(step, upload_state(client, files.state(step))).encode() for step in files.kept()
    ]
    return client.put_content(encode_blob(records))


def state_root_of(kind: JobKind, leaf: bytes) -> bytes:
    """The root of the state that an encoded leaf commits to; raises `DecodeError`."""
    if kind is JobKind.ATTRIBUTE:
        return decode_influence_leaf(leaf).state_root
    return decode_leaf(leaf).state_root


def fetch_transcript(client: NodeClient, outcome: TrainingOutcome) -> tuple[bytes, ...]:
    """A job's encoded leaves; raises `JobRefused` unless they lead to its root."""
    try:
        encoded = decode_blob(client.get_content(outcome.transcript), outcome.leaf_count)
    except DecodeError as error:
        message = f"The transcript cannot be read: {error.message}"
        raise JobRefused(message, remedy=_REMEDY) from error
    if list_root(encoded) != outcome.transcript_root:
        message = "The transcript does not lead to the root that its job is committed to."
        raise JobRefused(message, remedy=_REMEDY)
    return encoded


def fetch_state_roots(
    client: NodeClient, kind: JobKind, outcome: TrainingOutcome
) -> tuple[bytes, ...]:
    """The state roots of a job's leaves; raises `JobRefused` unless they lead to its root."""
    try:
        return tuple(state_root_of(kind, leaf) for leaf in fetch_transcript(client, outcome))
    except DecodeError as error:
        message = f"A leaf of the transcript cannot be read: {error.message}"
        raise JobRefused(message, remedy=_REMEDY) from error


def fetch_state(client: NodeClient, state: bytes, root: bytes) -> bytes:
    """The state that a blob of parts lists; raises `JobRefused` unless it has the state root."""
    try:
        parts = decode_blob(client.get_content(state), STATE_PARTS_MAX)
    except DecodeError as error:
        message = f"A kept state cannot be read: {error.message}"
        raise JobRefused(message, remedy=_REMEDY) from error
    data = b"".join(client.get_content(part) for part in parts)
    if state_root(data) != root:
        message = "A kept state is not the one that its leaf commits to."
        raise JobRefused(message, remedy=_REMEDY)
    return data


def read_states(client: NodeClient, kind: JobKind, outcome: TrainingOutcome) -> None:
    """Read every kept state that the outcome lists, each checked against its leaf.

    Raises `JobRefused`, and `ContentMissing` for what nobody has.
    """
    roots = fetch_state_roots(client, kind, outcome)
    try:
        items = decode_blob(client.get_content(outcome.states), KEPT_STEPS_MAX)
        records = [codec_of(StateRecord).decode(item) for item in items]
    except DecodeError as error:
        message = f"The list of kept states cannot be read: {error.message}"
        raise JobRefused(message, remedy=_REMEDY) from error
    for record in records:
        if record.step < len(roots):
            fetch_state(client, record.state, roots[record.step])
