"""What `Models` stores beside the adapters' records, which are in `runtime.wire.records`."""

from __future__ import annotations

from dataclasses import dataclass

from runtime import PPB, AccountId, BlockNumber, ShortText
from runtime.wire.records import Shares
from runtime.wire.work import ModelShape


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model, or the proposal of one, by the manifest hash of its files."""

    name: ShortText
    registrant: AccountId
    registered_at: BlockNumber
    shape: ModelShape
    admitted_at: BlockNumber | None = None
    """Since when jobs may name it; None for a proposal."""


@dataclass(frozen=True, slots=True)
class ShareTerms:
    """How net fees are divided unless an owner says otherwise, and what an owner may say."""

    usual: Shares
    least: Shares
    most: Shares


def fault_of(terms: ShareTerms) -> str | None:
    """What is wrong with terms, or None."""
    parts = list(zip(_parts(terms.least), _parts(terms.usual), _parts(terms.most), strict=True))
    if any(not least <= usual <= most for least, usual, most in parts):
        return "A usual share is out of its bounds."
    total = sum(_parts(terms.usual))
    return None if total == PPB else f"The usual shares add up to {total}, not to {PPB}."


def _parts(shares: Shares) -> tuple[int, int, int, int]:
    return shares.owner_ppb, shares.stakers_ppb, shares.worker_ppb, shares.contributors_ppb
