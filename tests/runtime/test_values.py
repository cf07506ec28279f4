"""Random values: within bounds, at their edges, repeatable, and drawn from what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.calls import HeldCallCodec
from runtime.codec import SequenceCodec, codec_of
from runtime.errors import DefinitionError, DispatchError
from runtime.testing import Pool, SeededDraws, Values
from runtime.testing.checks import balances_sum_to_issuance, issuance_never_rises
from runtime.testing.processes import main
from runtime.testing.values import NAMES_MAX, REMEMBERED_MAX, fits
from runtime.types import I64, U8, U32, U64, AccountId, Amount, Hash, Max, Positive, ShortText
from tests.runtime.token_pallet import Account, compose


class Colour(IntEnum):
    """Three of them."""

    RED = 0
    GREEN = 5
    BLUE = 6


@dataclass(frozen=True)
class Inner:
    """A part."""

    owner: AccountId
    count: Positive[U32]


@dataclass(frozen=True)
class Outer:
    """One field of every kind."""

    number: Amount
    signed: I64
    data: Annotated[bytes, Max(500)]
    name: ShortText
    flag: bool
    colour: Colour
    inner: Inner
    maybe: Inner | None
    pair: tuple[U8, Hash]
    many: Annotated[tuple[Inner, ...], Max(100)]


OUTER = codec_of(Outer)


def drawn(seed: bytes, pool: Pool | None = None, **scene: Any) -> Outer:
    """A value from a seed."""
    value: Outer = Values(SeededDraws(seed), pool or Pool(), scene=scene).of(OUTER)
    return value


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=8))
def test_every_value_is_within_its_bounds(seed: bytes) -> None:
    """It encodes, and decodes to itself; the same seed gives the same value."""
    value = drawn(seed)
    assert OUTER.decode(OUTER.encode(value)) == value
    assert drawn(seed) == value


def test_edges_are_drawn_often() -> None:
    """Least and most of a type, empty and full texts, none and many items."""
    values = [drawn(b"%d" % number) for number in range(600)]
    assert {0, 2**128 - 1} <= {value.number for value in values}
    assert {-(2**63), 2**63 - 1} <= {value.signed for value in values}
    assert {1, 2**32 - 1} <= {value.inner.count for value in values}
    assert {0, 64} <= {len(value.name.encode()) for value in values}
    assert {0, 48} <= {len(value.data) for value in values}
    assert {0, 100} <= {len(value.many) for value in values}
    assert {value.colour for value in values} == set(Colour)
    assert {value.maybe is None for value in values} == {True, False}


def test_what_was_seen_is_used_again() -> None:
    """Under its own name, and under others of its kind."""
    pool = Pool()
    seen = Outer(
        number=77_777,
        signed=-5,
        data=b"seen",
        name="seen",
        flag=True,
        colour=Colour.RED,
        inner=Inner(bytes([7]) * 32, 99),
        maybe=Inner(bytes([8]) * 32, 98),
        pair=(3, bytes([9]) * 32),
        many=(Inner(bytes([6]) * 32, 97),),
    )
    pool.remember("", OUTER, seen)
    assert pool.known("number") == (77_777,)
    assert pool.known("count") == (99, 98, 97)
    assert pool.known("owner") == tuple(bytes([number]) * 32 for number in (7, 8, 6))
    values = [drawn(b"%d" % number, pool) for number in range(300)]
    assert {77_776, 77_777, 77_778} <= {value.number for value in values}
    assert {"seen"} <= {value.name for value in values}
    assert {bytes([7]) * 32, bytes([8]) * 32} <= {value.inner.owner for value in values}
    assert {bytes([9]) * 32} <= {value.pair[1] for value in values}


def test_a_scene_s_values_are_preferred_where_they_fit() -> None:
    """They belong together; one that is out of bounds is not taken."""
    values = [drawn(b"%d" % number, number=5, name="scene", signed="?") for number in range(50)]
    assert sum((value.number, value.name) == (5, "scene") for value in values) > 25


def test_a_pool_is_bounded() -> None:
    """The oldest value of a name goes first, and there are only so many names."""
    pool = Pool()
    number = codec_of(U64)
    for value in range(REMEMBERED_MAX + 5):
        pool.remember("number", number, value)
    assert pool.known("number") == tuple(range(5, REMEMBERED_MAX + 5))
    pool.remember("none", codec_of(Inner | None), None)
    pool.remember("flag", codec_of(bool), value=True)
    assert not pool.known("none")
    assert not pool.known("flag")
    for name in range(NAMES_MAX):
        pool.remember(f"name {name}", number, 1)
    assert not pool.known(f"name {NAMES_MAX - 1}")


def test_seeded_draws_are_pinned() -> None:
    """The stream is the same on every machine: conformance hashes depend on it."""
    draws = SeededDraws(b"pinned")
    assert [draws.integer(0, 99) for _ in range(8)] == [97, 3, 64, 2, 95, 75, 79, 93]
    assert 0 <= draws.integer(0, 2**2_000) <= 2**2_000
    assert draws.integer(5, 5) == 5


def test_fits_is_the_codec_s_own_word() -> None:
    """A value fits if it can be encoded."""
    assert fits(codec_of(U8), 255)
    assert not fits(codec_of(U8), 256)


def test_nested_calls_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that holds calls is drawn to a depth, and no further."""
    runtime, _, _ = compose()
    definitions = [each for pallet in runtime.pallets.values() for each in pallet.definition.calls]
    values = Values(SeededDraws(b"calls"), Pool(), definitions)
    nested = [values.of(SequenceCodec(runtime.call_codec, 4)) for _ in range(50)]
    drawn_calls = [str(each.call_definition) for calls in nested for each in calls]
    assert set(drawn_calls) == set(map(str, definitions))
    short = HeldCallCodec(min(each.arguments.max_bytes for each in definitions) + 5)
    held = [values.of(short) for _ in range(50)]
    assert all(fits(short, each) for each in held)
    monkeypatch.setattr("runtime.testing.values.CALL_DEPTH_MAX", 0)
    assert values.of(runtime.call_codec).call_definition in definitions


def test_the_currency_checks_need_a_currency() -> None:
    """A runtime without Balances, or whose Balances has no issuance, has nothing to compare."""
    runtime, _, _ = compose()
    assert balances_sum_to_issuance(runtime, {}, {}) is None
    account = runtime.pallets["Balances"].definition.storage["accounts"]
    state = {account.storage_key(bytes(32)): account.codec.encode(Account(free=2, held=1))}
    problem = balances_sum_to_issuance(runtime, {}, state)
    assert problem == "accounts hold 3, and the issuance is 0"
    runtime.pallets = {}
    assert balances_sum_to_issuance(runtime, {}, {}) is None
    assert issuance_never_rises(runtime, {}, {}) is None


def test_a_process_prints_its_root(capsys: pytest.CaptureFixture[str]) -> None:
    """What `agree_across_processes` reads."""
    main(["tests.runtime.planted_bugs:INNOCENT", b"seed".hex(), "3"])
    assert len(bytes.fromhex(capsys.readouterr().out.strip())) == 32


@dataclass(frozen=True)
class Ordered:
    """Two numbers in order, or none that can be."""

    low: U8
    high: U8

    def __post_init__(self) -> None:
        """Raise `DispatchError` unless the numbers are in order."""
        if self.low >= self.high:
            raise DispatchError("Not in order.", remedy="Swap them.")


@dataclass(frozen=True)
class Impossible:
    """A record that nothing makes."""

    number: U8

    def __post_init__(self) -> None:
        """Raise `DispatchError`."""
        raise DispatchError("Impossible.", remedy="None.")


def test_a_record_that_wants_more_than_its_fields_is_drawn_until_it_has_it() -> None:
    """Its fields are drawn together again; what hardly any values make is said to be so."""
    values = Values(SeededDraws(b"ordered"), Pool())
    drawn_values = [values.of(codec_of(Ordered)) for _ in range(20)]
    assert all(value.low < value.high for value in drawn_values)
    with pytest.raises(DefinitionError, match="Impossible"):
        values.of(codec_of(Impossible))
