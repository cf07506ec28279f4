"""A chain spec made by several parties: each is in it as it wants to be, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.bls import BLS, key_gen
from genesis.allocation import InvalidAllocation
from genesis.ceremony import Draft, Entry, collect, make_entry, new_draft
from genesis.chain_spec import genesis_block
from genesis.toml_records import InvalidChainSpec
from genesis.validators import SpecValidator, prove_keys, spec_validator
from pallets.fees.pallet import Fees
from runtime.hashing import ZERO_HASH, hash_text
from runtime.keys import Keypair
from runtime.types import OPEN

BOND = 50_000 * OPEN
KEYS = [Keypair.from_seed(hash_text(b"party %d" % number)) for number in range(3)]
DRAFT = new_draft("together", 1_735_689_600_000, 1_000)


def entries() -> list[Entry]:
    """One of each party."""
    return [make_entry(DRAFT, f"party {index}", key, BOND) for index, key in enumerate(KEYS)]


def test_all_parties_get_the_same_chain() -> None:
    """Whatever the order of the entries, through their files; bonds are endowed."""
    files = [entry.to_toml() for entry in entries()]
    draft = Draft.from_toml(DRAFT.to_toml())
    assert draft == DRAFT
    one = collect(draft, [Entry.from_toml(text) for text in files])
    other = collect(draft, [Entry.from_toml(text) for text in reversed(files)])
    assert one == other
    assert genesis_block(one)[0] == genesis_block(other)[0]
    assert {each.account for each in one.validators} == {key.account for key in KEYS}
    assert [each.amount for each in one.endowments] == [BOND + DRAFT.validator_spending] * 3


def test_a_changed_draft_has_no_parties() -> None:
    """Whoever changes a price after the entries were made makes them worthless."""
    parameters = DRAFT.parameters.choosing({Fees.base_price: 1})
    with pytest.raises(InvalidChainSpec, match="another draft"):
        collect(replace(DRAFT, parameters=parameters), entries())


def test_an_entry_cannot_be_changed() -> None:
    """Moniker, bond, keys and proofs are all signed by the account."""
    first = entries()[0]
    changed = [
        replace(first, moniker="somebody else"),
        replace(first, validator=replace(first.validator, bond=BOND + 1)),
        replace(first, validator=replace(first.validator, vote_key=KEYS[1].account)),
        replace(first, validator=replace(first.validator, account=KEYS[1].account)),
        replace(first, signature=bytes(64)),
    ]
    for entry in changed:
        with pytest.raises(InvalidChainSpec, match="not signed by its account"):
            collect(DRAFT, [entry])


def validator_of(key: Keypair, vote: Keypair, bls_secret: bytes, bond: int = BOND) -> SpecValidator:
    """A validator with keys of several parties, all of which prove them."""
    keys, proofs = prove_keys(vote, bls_secret, ZERO_HASH, key.account)
    return spec_validator(key.account, bond, keys, proofs)


def signed(entry: Entry, key: Keypair) -> Entry:
    """The entry with its account's signature."""
    return replace(entry, signature=key.sign(entry.payload()))


def test_keys_of_others_are_refused() -> None:
    """An account that signs an entry must have every key in it."""
    mine, key = entries()[0], KEYS[0]
    theirs = entries()[1].validator
    rogue = validator_of(key, key, key_gen(KEYS[1].seed))
    for trouble, validator in (
        ("vote key", replace(mine.validator, vote_key=theirs.vote_key)),
        # The vote key signs both keys.
        ("vote key", replace(mine.validator, bls_key=theirs.bls_key)),
        ("BLS key", replace(mine.validator, possession=theirs.possession)),
        ("BLS key", replace(mine.validator, bls_signature=rogue.bls_signature)),
    ):
        with pytest.raises(InvalidChainSpec, match=f"prove its {trouble}"):
            collect(DRAFT, [signed(replace(mine, validator=validator), key)])
    assert BLS.verify_possession(mine.validator.bls_key, mine.validator.possession)


def test_nobody_is_in_it_twice() -> None:
    """Not under one account, one key or one name; and a chain has a validator."""
    first, second, _ = entries()
    shared = validator_of(KEYS[1], KEYS[0], key_gen(KEYS[1].seed))
    for what, again in (
        ("account", first),
        ("vote key", signed(replace(second, validator=shared), KEYS[1])),
        ("moniker", make_entry(DRAFT, first.moniker, KEYS[2], BOND)),
    ):
        with pytest.raises(InvalidChainSpec, match=f"Two entries have the {what}"):
            collect(DRAFT, [first, again])
    with pytest.raises(InvalidChainSpec, match="0 entries"):
        collect(DRAFT, [])


def test_bonds_have_bounds() -> None:
    """Not below the chain's least, and not more than the bucket has."""
    with pytest.raises(InvalidChainSpec, match="least"):
        make_entry(DRAFT, "poor", KEYS[0], OPEN)
    poor = validator_of(KEYS[0], KEYS[0], key_gen(KEYS[0].seed), OPEN)
    with pytest.raises(InvalidChainSpec, match="bonds too little"):
        collect(DRAFT, [signed(replace(entries()[0], validator=poor), KEYS[0])])
    greedy = make_entry(DRAFT, "greedy", KEYS[0], 10**9 * OPEN)
    with pytest.raises(InvalidAllocation):
        collect(DRAFT, [greedy])
