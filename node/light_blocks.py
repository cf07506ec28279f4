"""What proves a stored block final, as this node shows it to clients that do not believe it."""

from __future__ import annotations

from consensus.commit import Commit, commit_of
from consensus.decision import Decision
from consensus.light import LightBlock
from consensus.light.block import Possessions
from pallets.session.types import KnownSet
from runtime.codec import codec_of
from runtime.state.store import Store
from runtime.storage import storage_key
from runtime.types import BlsSignature
from runtime.wire.validators import ValidatorSet


def light_block(store: Store, height: int) -> LightBlock | None:
    """Return the light block of a stored height; `None` where nothing was voted or it is unknown.

    That is block 0, heights above the head, and those whose validators are not remembered any more.
    Raises `Pruned` for a header that is not kept.
    """
    header = store.header(height)
    if header is None:
        return None
    commit, validators = commit_at(store, height), validators_of(store, header.validators_hash)
    if commit is None or validators is None:
        return None
    return LightBlock(header, commit, validators, _possessions(store, validators))


def commit_at(store: Store, height: int) -> Commit | None:
    """The commit of a stored height; `None` for block 0, and for what is not stored."""
    decision = store.commit_certificate(height)
    return commit_of(Decision.decode(decision).certificate) if decision else None


def validators_of(store: Store, validators_hash: bytes) -> ValidatorSet | None:
    """A set that decided heights not long ago, by its hash."""
    known = store.get(storage_key("Session", "known_sets", validators_hash))
    return None if known is None else codec_of(KnownSet).decode(known).validators


def _possessions(store: Store, validators: ValidatorSet) -> Possessions:
    """The proofs of a set's keys, which the state keeps for ever."""
    stored = [
        store.get(storage_key("Session", "possessions", each.bls_key))
        for each in validators.validators
    ]
    codec = codec_of(BlsSignature)
    return tuple(codec.decode(each) for each in stored if each is not None)
