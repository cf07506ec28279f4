"""Chain specs: TOML there and back exactly, typed errors for anything else, and block 0."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.allocation import SUPPLY, Endowment, InvalidAllocation
from genesis.chain_spec import (
    DEV_ACCOUNTS,
    DEV_BOND,
    ChainSpec,
    dev_spec,
    development_keypair,
    development_validator,
    genesis_block,
)
from genesis.parameters import Choice, Parameters, built_in_parameters, published_parameters
from genesis.toml_records import InvalidChainSpec
from pallets.attribution.pallet import Attribution
from pallets.session.pallet import Session
from pallets.staking.pallet import Staking
from runtime.errors import OpenLedgerError
from runtime.hashing import hash_text
from runtime.keys import Keypair
from runtime.types import OPEN
from runtime.upgrade import UpgradePlan
from tests.pallets.chain import Chain

SPEC = dev_spec()
TOML = SPEC.to_toml()


def test_the_development_chain_endows_known_keys_from_liquidity():
    """Seeds are derived from names, every endowment is marked, the validator comes first."""
    assert next(iter(DEV_ACCOUNTS)) == "validator"
    assert {"faucet", "builder", "worker", "server", "user"} <= set(DEV_ACCOUNTS)
    seed = hash_text(b"openledger dev account: faucet")
    assert development_keypair("faucet") == Keypair.from_seed(seed)
    assert {each.bucket for each in SPEC.endowments} == {"liquidity"}
    assert all(each.name.startswith("development key: ") for each in SPEC.endowments)
    with pytest.raises(InvalidChainSpec):
        development_keypair("nobody")


def test_genesis_puts_all_open_where_the_spec_says():
    """Issuance is the supply; the endowed have theirs; the rest lies in the buckets' accounts."""
    chain = Chain(SPEC)
    chain.check_money()
    assert chain.free(development_keypair("faucet").account) == 10_000_000 * OPEN
    of_buckets = sum(chain.free(bucket.account) for bucket in SPEC.buckets)
    assert of_buckets == SUPPLY - 17_000_000 * OPEN
    with chain.reading() as pallets:
        spendable = sum(pallets.balances.free_balance(each.account) for each in SPEC.buckets)
        assert spendable == (215_500_000 - 17_000_000) * OPEN
        assert pallets.treasury.pots["team"] == SPEC.buckets[3].account
        assert pallets.balances.issuance.get() == SUPPLY


def test_every_bucket_is_a_pot_that_referenda_spend_from():
    """Whose OPEN counts for no quorum, because nobody votes with it."""
    with Chain(SPEC).reading() as pallets:
        for bucket in SPEC.buckets:
            assert pallets.treasury.pots[bucket.name] == bucket.account
            assert bucket.account in pallets.governance.inactive.get()


def test_genesis_stores_what_the_spec_chose():
    """A client that knows only the state knows every parameter, chosen or not."""
    numbers = [each for each in built_in_parameters().values() if isinstance(each.default, int)]
    chosen = {each: _another(each) for each in numbers}
    chain = Chain(replace(SPEC, parameters=Parameters().choosing(chosen)))
    with chain.reading() as pallets:
        for each in numbers:
            place = each.place.pallet, each.place.item
            assert pallets.system.parameters[place].get() == chosen[each]
    with Chain(replace(SPEC, parameters=Parameters())).reading() as pallets:
        assert pallets.staking.bond_min.get() == Staking.bond_min.default


def _another(parameter):
    """A number that the parameter may have, and has not by default."""
    default = parameter.default
    return default + 1 if default < parameter.codec.most else default - 1


def test_a_draft_shows_every_parameter():
    """Whoever begins a chain reads and edits all of them; none of it chooses another chain's."""
    published = published_parameters()
    assert len(published.choices) == len(built_in_parameters())
    for parameter in built_in_parameters().values():
        assert published[parameter] == parameter.default == Parameters()[parameter]


@pytest.mark.parametrize(
    "choices",
    [
        (Choice("Staking", "bond_minimum", b"\x01"),),
        (Choice("Staking", "bond_min", b"\x01"),),
        (Choice("Staking", "bond_min", b"\x01\x01"),),
        (Choice("Session", "session_blocks", b"\x08"),) * 2,
        (Choice("Session", "session_blocks", b"\x08"), Choice("Offences", "jail_blocks", b"\x08")),
    ],
)
def test_choices_that_may_not_be_are_refused(choices):
    """No such parameter, out of bounds, not canonical, twice, not in order: a typed error."""
    with pytest.raises(InvalidChainSpec) as caught:
        Parameters(choices)
    assert caught.value.remedy


def test_genesis_bonds_and_elects_the_validators():
    """Block 0 names the set that decides block 1, and pallets have the same: keys, stakes, set."""
    names = ("validator", "alice", "bob", "user")
    spec = replace(SPEC, validators=tuple(map(development_validator, names)))
    block, _, _ = genesis_block(spec)
    assert block.header.next_validators_hash == spec.validator_set().hash()
    chain = Chain(spec)
    with chain.reading() as pallets:
        assert pallets.session.current.get() == spec.validator_set()
        for validator in spec.validators:
            assert pallets.session.keys[validator.account] == validator.keys
            assert pallets.staking.stake_of(validator.account) == DEV_BOND
        assert pallets.balances.free_balance(pallets.staking.account) == 4 * DEV_BOND
    chain.check_money()


def test_genesis_plans_an_upgrade():
    """A planned upgrade of the spec is the pending one."""
    plan = UpgradePlan(2, 1_000, bytes(32))
    chain = Chain(replace(SPEC, upgrades=(plan,)))
    with chain.reading() as pallets:
        assert pallets.upgrade.pending.get() == plan


VALIDATOR = SPEC.validators[0]


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"validators": (replace(VALIDATOR, bond=10**9 * OPEN),)}, "is too low for this amount"),
        ({"validators": (replace(VALIDATOR, bond=OPEN),)}, "less than the least"),
        ({"validators": (replace(VALIDATOR, vote_signature=bytes(64)),)}, "vote_signature"),
        ({"validators": (replace(VALIDATOR, bls_signature=bytes(96)),)}, "bls_signature"),
        ({"validators": (replace(VALIDATOR, possession=VALIDATOR.bls_signature),)}, "possession"),
        (
            {
                "validators": (VALIDATOR, development_validator("alice")),
                "parameters": SPEC.parameters.choosing({Session.validators_max: 1}),
            },
            "Not every validator",
        ),
        ({"upgrades": (UpgradePlan(2, 0, bytes(32)),)}, "must be a later one"),
    ],
)
def test_a_spec_that_the_pallets_refuse_has_no_block_0(changed, part):
    """Bonds nobody can pay, keys nobody has, more validators than are elected: a typed error."""
    with pytest.raises(InvalidChainSpec, match=part) as caught:
        genesis_block(replace(SPEC, **changed))
    assert caught.value.remedy


def test_block_0_is_a_function_of_the_spec():
    """Equal specs give equal genesis hashes and states; any difference gives another chain."""
    block, changes, _ = genesis_block(SPEC)
    again, same, _ = genesis_block(dev_spec())
    assert (block.header.id(), changes) == (again.header.id(), same)
    assert (block.header.height, block.extrinsics) == (0, ())
    others = [
        replace(SPEC, name="another"),
        replace(SPEC, genesis_time_ms=SPEC.genesis_time_ms + 1),
        replace(SPEC, block_time_ms=501),
        replace(SPEC, validators=(development_validator("alice"),)),
        replace(SPEC, endowments=SPEC.endowments[:-1]),
        replace(SPEC, parameters=SPEC.parameters.choosing({Attribution.rows_min: 2})),
    ]
    ids = {genesis_block(spec)[0].header.id() for spec in [SPEC, *others]}
    assert len(ids) == 7


def test_a_spec_reads_back_from_its_file(tmp_path):
    """Saving and loading gives the same spec, and saving that the same bytes."""
    path = tmp_path / "chain.toml"
    SPEC.save(path)
    loaded = ChainSpec.load(path)
    assert loaded == SPEC
    assert loaded.to_toml() == path.read_text() == TOML


names = st.text(st.characters(codec="utf-8"), max_size=16)


@given(
    name=names,
    label=names,
    amount=st.integers(0, 50_000_000 * OPEN),
    bond=st.integers(0, 2**128 - 1),
    account=st.binary(min_size=32, max_size=32),
    blocks=st.integers(1, 2**32 - 1),
)
@settings(max_examples=100, deadline=None)
def test_every_spec_survives_toml(name, label, amount, bond, account, blocks):
    """Any name, with quotes, controls or emoji, and any amount to the last decimal."""
    spec = replace(
        SPEC,
        name=name,
        validators=(replace(VALIDATOR, account=account, bond=bond),),
        endowments=(Endowment(account, "liquidity", amount, label),),
        parameters=SPEC.parameters.choosing(
            {Attribution.epoch_blocks: blocks, Staking.bond_min: OPEN + amount // 10}
        ),
    )
    assert ChainSpec.from_toml(spec.to_toml()) == spec


def test_a_spec_without_endowments_survives_toml():
    """An empty list is written and read."""
    spec = replace(SPEC, endowments=())
    assert ChainSpec.from_toml(spec.to_toml()) == spec


def swap(old, new):
    assert old in TOML
    return TOML.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("name = ", "is not TOML"),
        ("", "has no 'name'"),
        (swap("block_time_ms", "block_time"), "unknown key 'block_time'"),
        (swap("rows_min = 1\n", "rows = 1\n"), "no parameter Attribution.rows"),
        (swap("rows_min = 1\n", 'rows_min = "1"\n'), "Attribution.rows_min is '1'"),
        (swap("[parameters.Session]", "[parameters.Sessions]"), "parameter Sessions"),
        (swap("bls_key =", "stake = 2\nbls_key ="), "validators[0] has the unknown key"),
        (swap('bls_key = "', 'bls_key = "ab'), "out of bounds"),
        (swap("block_time_ms = 500", 'block_time_ms = "500"'), "block_time_ms is '500'"),
        (swap("block_time_ms = 500", "block_time_ms = true"), "block_time_ms is True"),
        (swap("block_time_ms = 500", "block_time_ms = 500.0"), "block_time_ms is 500.0"),
        (swap("block_time_ms = 500", "block_time_ms = 4294967296"), "out of bounds"),
        (swap("block_time_ms = 500", "block_time_ms = 0"), "out of bounds"),
        (swap('"517100000"', "517100000"), "buckets[0].amount is 517100000"),
        (swap('"517100000"', '"-1"'), "buckets[0].amount is '-1'"),
        (swap('"517100000"', '"5e8"'), "buckets[0].amount is '5e8'"),
        (swap('"517100000"', '"1.0000000000000000001"'), "buckets[0].amount is"),
        (swap('"517100000"', '"\u0665"'), "buckets[0].amount is"),
        (swap('account = "', 'account = "zz'), "validators[0].account is"),
        (swap('account = "', 'account = "00'), "out of bounds"),
        (swap('name = "openledger-dev"', f'name = "{"x" * 65}"'), "out of bounds"),
        (swap("[parameters]", "[[parameters]]"), "the chain spec.parameters is"),
        (re.sub(r"\[\[validators\]\]\n(?:.+\n)*", "", TOML), "has no 'validators'"),
        (
            "validators = []\n" + re.sub(r"\[\[validators\]\]\n(?:.+\n)*", "", TOML),
            "names no validator",
        ),
        (
            "validators = 3\n" + re.sub(r"\[\[validators\]\]\n(?:.+\n)*", "", TOML),
            "validators is 3",
        ),
    ],
)
def test_what_is_not_a_spec_is_refused(text, part):
    """Unknown and missing keys, wrong types and bounds: a sentence that names the place."""
    with pytest.raises(InvalidChainSpec) as caught:
        ChainSpec.from_toml(text)
    assert part in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        swap('"517100000"', '"517100000.000000000000000001"'),
        swap('"517100000"', '"517099999"'),
        swap('amount = "10000000"', 'amount = "60000000"'),
    ],
)
def test_sums_that_do_not_add_up_are_refused(text):
    """A unit too much in a bucket, and endowments larger than their bucket."""
    with pytest.raises(InvalidAllocation) as caught:
        ChainSpec.from_toml(text)
    assert caught.value.remedy


def test_a_validator_is_named_once():
    """The same key twice would vote twice."""
    with pytest.raises(InvalidChainSpec):
        replace(SPEC, validators=SPEC.validators * 2)


def test_nobody_else_can_vote_with_a_validators_key():
    """A vote key of small order, here the neutral point, is refused: anybody can sign with it."""
    weak = replace(SPEC.validators[0], vote_key=bytes([1] + [0] * 31))
    with pytest.raises(InvalidChainSpec, match="Anybody can vote"):
        replace(SPEC, validators=(weak,))


def test_files_that_are_no_spec_are_refused(tmp_path):
    """Missing, a directory, not text, too large: one sentence and a remedy each."""
    binary, large = tmp_path / "binary", tmp_path / "large"
    binary.write_bytes(b"\xff\xfe")
    large.write_bytes(b"#" * (1024 * 1024 + 1))
    for path in (tmp_path / "missing", tmp_path, binary, large):
        with pytest.raises(OpenLedgerError) as caught:
            ChainSpec.load(path)
        assert isinstance(caught.value, InvalidChainSpec)
        assert str(path) in caught.value.message
        assert caught.value.remedy
