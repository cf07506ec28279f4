"""What a movement of OPEN was for, in words, by what caused it and whose accounts it connects."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from genesis.allocation import published_allocation
from genesis.compose import compose_runtime
from runtime.keys import pallet_account

FEES = pallet_account("flows: fees of the block")
"""Where charges are between admission and the end of the block; no account of the chain."""
BURNED = pallet_account("flows: burned")
"""Where burned OPEN goes: nowhere."""
PEOPLE = "somebody"
"""Everybody who has a key."""

_KINDS: Mapping[tuple[str, str, str], str] = MappingProxyType(
    {
        ("fee", PEOPLE, "fees"): "fees",
        ("tip", PEOPLE, "fees"): "tips",
        ("fees shared", "fees", PEOPLE): "proposers' rewards",
        ("fees shared", "fees", "Treasury"): "the treasury's part of fees",
        ("fees shared", "fees", "burned"): "burned fees",
        ("Inference.settle_batch", PEOPLE, "Inference"): "answers",
        ("Inference.settle_batch", "Inference", "Treasury"): "platform fees",
        ("Inference.settle_batch", "Inference", "Stakers"): "stakers' shares of answers",
        ("Inference.settle_batch", "Inference", "Attribution"): "contributors' shares of answers",
        ("Inference.settle_batch", "Inference", PEOPLE): "owners' and servers' shares of answers",
        ("Attribution.order", PEOPLE, "Attribution"): "sponsors' parts of divisions",
        ("Attribution.order", "Attribution", PEOPLE): "sponsors' parts, returned",
        ("Attribution.claim", "Attribution", PEOPLE): "contributors' payouts",
        ("Attribution.sweep", "Attribution", "Treasury"): "payouts that nobody claimed",
        ("block", "Stakers", "Staking"): "stakers' shares, shared out",
        ("block", "Ecosystem", "Staking"): "the ecosystem's part of staking rewards",
        ("block", "Staking", "Offences"): "slashes",
        ("block", "Offences", PEOPLE): "rewards of reporters",
        ("block", "Offences", "Treasury"): "slashes for the treasury",
        ("Staking.bond", PEOPLE, "Staking"): "stake",
        ("Staking.nominate", PEOPLE, "Staking"): "stake",
        ("Staking.withdraw", "Staking", PEOPLE): "stake returned",
        ("Staking.claim", "Staking", PEOPLE): "staking rewards",
        ("Compute.settle", PEOPLE, PEOPLE): "training fees",
        ("Compute.settle", "Attribution", PEOPLE): "fees of divisions",
        ("Compute.settle", "Attribution", "Audits"): "levies of divisions",
        ("Balances.transfer", PEOPLE, PEOPLE): "transfers",
        ("Balances.transfer_keep_alive", PEOPLE, PEOPLE): "transfers",
        ("Balances.transfer_from", PEOPLE, PEOPLE): "transfers",
        ("Balances.burn", PEOPLE, "burned"): "burned by owners",
    }
)


@cache
def pots() -> Mapping[bytes, str]:
    """The accounts without a key, by name: those of pallets, of genesis, and of this view."""
    names = [*compose_runtime().pallets, "Treasury", "Stakers"]
    known = {pallet_account(name): name for name in names}
    for bucket in published_allocation():
        known[bucket.account] = bucket.name.capitalize()
    return MappingProxyType(known | {FEES: "fees", BURNED: "burned"})


def name_of(account: bytes) -> str:
    """A pot's name, or the account in hexadecimal."""
    return pots().get(account) or account.hex()


def kind_of(cause: str, payer: bytes, payee: bytes) -> str:
    """What a movement was for: one of the kinds above, or its cause and the pots it connects."""
    roles = (pots().get(payer, PEOPLE), pots().get(payee, PEOPLE))
    return _KINDS.get((cause, *roles)) or f"{cause}: {roles[0]} to {roles[1]}"
