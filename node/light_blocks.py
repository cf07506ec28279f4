"""Light blocks from the store: what this node shows to light clients."""

from __future__ import annotations

from consensus.commit import commit_of
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
    header, decision = store.header(height), store.commit_certificate(height)
    if header is None or not decision:
        return None
    known = store.get(storage_key("Session", "known_sets", header.validators_hash))
    if known is None:
        return None
    validators = codec_of(KnownSet).decode(known).validators
    commit = commit_of(Decision.decode(decision).certificate)
    return LightBlock(header, commit, validators, _possessions(store, validators))


def _possessions(store: Store, validators: ValidatorSet) -> Possessions:
    """The proofs of a set's keys, which the state keeps for ever."""
    stored = [
        store.get(storage_key("Session", "possessions", each.bls_key))
        for each in validators.validators
    ]
    codec = codec_of(BlsSignature)
    return tuple(codec.decode(each) for each in stored if each is not None)
