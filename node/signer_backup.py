"""What a validator's keys have signed, moved from one machine to another."""

from __future__ import annotations

from pathlib import Path

from consensus.errors import SignerStateError
from consensus.signer import SignerState, place
from node.config import SIGNER_BYTES_MAX, DataDirectory
from node.errors import ConfigError
from node.files import write_atomically

_NOTHING = (0, 0, 0)


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
