"""What a validator's keys have signed: moved to another machine, or read out of the log again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from consensus.errors import SignerStateError
from consensus.log import recover
from consensus.signer import SignerState, place
from consensus.votes import Vote
from node.config import SIGNER_BYTES_MAX, DataDirectory
from node.errors import ConfigError
from node.files import write_atomically
from runtime.state.store import Store

_NOTHING = (0, 0, 0)
_UNKNOWN = "Let it observe: what it has signed is not known (docs/operate/recover.md)."


def export_signed(directory: DataDirectory, file: Path) -> dict[str, int]:
    """Write the signer file's content; returns its last place.

    Raises `ConfigError` where there is none, or `file` is there already, and `SignerStateError`.
    """
    stored = directory.read_signer()
    if stored is None:
        message = f"{directory.root} has no signer file: nothing was signed here."
        raise ConfigError(message, remedy="Name the data directory of a validator.")
    state = SignerState.decode(stored)
    if file.exists():
        raise ConfigError(f"{file} is there already.", remedy="Name a file that does not exist.")
    _write(file, stored)
    return _fields(state)


def import_signed(directory: DataDirectory, file: Path) -> dict[str, int]:
    """Take over a file of `export_signed`; returns its last place.

    Raises `SignerStateError` if the directory has signed later, or for another validator.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(SIGNER_BYTES_MAX)
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}."
        raise ConfigError(message, remedy="Name a file of `openledger signer export`.") from error
    state, stored = SignerState.decode(data), directory.read_signer()
    known = SignerState.new() if stored is None else SignerState.decode(stored)
    accounts = {vote.validator for vote in (*state.votes, *known.votes)}
    if len(accounts) > 1 or _last(known) > _last(state):
        message = f"{directory.root} has signed later than {file}, or for another validator."
        raise SignerStateError(message, remedy="Keep what is there; one validator, one directory.")
    directory.root.mkdir(parents=True, exist_ok=True)
    _write(directory.signer, data)
    return _fields(state)


def rebuild_signed(directory: DataDirectory, height: int) -> dict[str, int]:
    """Make a lost signer file again, of the votes in the log; returns its last place.

    Every vote that left this node at the height after its head is in the log (W1), so nothing is
    signed against one, if it is true that nobody has decided `height` and that this directory is
    no copy.  Raises `ConfigError`, `LogError`, `StoreError`, and `SignerStateError` where the log
    does not say what was signed.
    """
    if directory.signer.exists():
        message = f"{directory.signer} is there."
        raise ConfigError(message, remedy="Start the node; a damaged file has to be moved away.")
    votes = _logged_votes(directory, height)
    state = SignerState.new()
    for vote in sorted(votes, key=lambda each: place(each.statement)):
        state = state.with_vote(vote)
    _write(directory.signer, state.encode())
    return _fields(state)


def _logged_votes(directory: DataDirectory, height: int) -> list[Vote]:
    """The own votes of the height after the head, where the network stands."""
    with closing(Store.open(directory.state, create=False)) as store:
        head = store.head
    try:
        logged = recover(directory.log.read_bytes())
    except OSError as error:
        message = f"The log {directory.log} cannot be read: {error.strerror}."
        raise ConfigError(message, remedy="Name the data directory of a validator.") from error
    at_height = head is not None and head.height + 1 == height
    if not at_height or logged is None or logged.height != height:
        message = f"{directory.root} does not stand at height {height}, or its log does not."
        raise SignerStateError(message, remedy=_UNKNOWN)
    votes = [record for record in logged.records if isinstance(record, Vote)]
    if not votes:
        message = f"The log has no own vote of height {height}: it may be a new one."
        raise SignerStateError(message, remedy=_UNKNOWN)
    return votes


def _last(state: SignerState) -> tuple[int, int, int]:
    return place(state.votes[-1].statement) if state.votes else _NOTHING


def _fields(state: SignerState) -> dict[str, int]:
    height, round_, _ = _last(state)
    return {"height": height, "round": round_, "votes": len(state.votes)}


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data, path.parent)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}."
        raise ConfigError(message, remedy="Choose a folder that you may write to.") from error
