"""The determinism lint: one violating pallet a rule with its message, and innocents that pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache, cached_property, partial
from types import new_class
from typing import Any

import pytest

from runtime import Amount, Pallet, Signed, Value, Weight, call
from runtime.errors import DefinitionError
from tests.runtime import bad_habits


def make(*members: Any, **named: Any) -> type[Pallet]:
    """Create the class of a pallet with these members; raises what its creation raises."""
    by_name = {getattr(each, "__name__", "member"): each for each in members} | named

    def fill(namespace: dict[str, Any]) -> None:
        namespace |= {"__module__": __name__, **by_name}

    return new_class("Bad", (Pallet,), {"index": 9}, fill)


VIOLATIONS: list[tuple[Callable[..., Any], int, str]] = [
    (bad_habits.float_constant, 1, "computes with floats, which round"),
    (bad_habits.folded_float, 1, "computes with floats, which round"),
    (bad_habits.float_in_a_tuple, 1, "computes with floats, which round"),
    (bad_habits.complex_constant, 1, "computes with floats, which round"),
    (bad_habits.division, 1, "divides with `/`, which gives a float"),
    (bad_habits.division_in_place, 1, "divides with `/`, which gives a float"),
    (bad_habits.to_float, 1, "uses float, which computes with floats, which round"),
    (bad_habits.division_by_operator, 1, "uses truediv, which computes with floats, which round"),
    (bad_habits.float_module, 1, "uses the module math, which computes with floats"),
    (bad_habits.set_display, 1, "makes or passes on a set, whose order differs between processes"),
    (
        bad_habits.set_of,
        1,
        "uses set, which makes or passes on a set, whose order differs between processes",
    ),
    (
        bad_habits.frozen_set_of,
        1,
        "uses frozenset, which makes or passes on a set, whose order differs between processes",
    ),
    (
        bad_habits.set_comprehension,
        1,
        "makes or passes on a set, whose order differs between processes",
    ),
    (bad_habits.loop_over_a_set, 1, "uses a set for something else than `in`"),
    (bad_habits.loop_over_a_global_set, 1, "uses a set for something else than `in`"),
    (bad_habits.hash_of, 1, "uses hash, which differs between processes"),
    (bad_habits.identity, 1, "uses id, which differs between processes"),
    (bad_habits.clock, 1, "uses the module time, which reads the clock"),
    (bad_habits.chance, 1, "uses the module random, which is random"),
    (bad_habits.seeded_chance, 1, "uses the module random, which is random"),
    (bad_habits.bound_chance, 1, "uses the module random, which is random"),
    (bad_habits.late_import, 1, "imports os, which reaches outside the state"),
    (bad_habits.from_import, 1, "imports datetime, which reads the clock"),
    (bad_habits.file, 1, "uses open, which does input or output"),
    (bad_habits.prints, 1, "uses print, which does input or output"),
    (bad_habits.evaluates, 1, "uses eval, which hides what it runs or changes"),
    (bad_habits.hidden_set, 1, "uses setattr, which hides what it runs or changes"),
    (bad_habits.hidden_dictionary, 1, "uses __dict__, which hides what it runs or changes"),
    (bad_habits.sets_attribute, 1, "sets self.count, which survives a rollback"),
    (bad_habits.adds_to_attribute, 1, "sets self.count, which survives a rollback"),
    (bad_habits.deletes_attribute, 1, "sets self.count, which survives a rollback"),
    (bad_habits.sets_global, 2, "sets the global COUNTER, which survives a rollback"),
    (bad_habits.uses_mutable_global, 1, "uses a dict of its module, which calls could change"),
    (bad_habits.uses_global_iterator, 1, "uses a count of its module, which calls could change"),
    (bad_habits.mutable_default, 0, "has a default that calls could change"),
    (bad_habits.mutable_keyword_default, 0, "has a default that calls could change"),
    (
        bad_habits.except_exception,
        3,
        "catches Exception, and with it errors that must end the call or the block",
    ),
    (
        bad_habits.except_dispatch_error,
        3,
        "catches DispatchError, and with it errors that must end the call or the block",
    ),
    (
        bad_habits.except_root_error,
        3,
        "catches OpenLedgerError, and with it errors that must end the call or the block",
    ),
    (bad_habits.asserts, 1, "asserts, which `python -O` removes"),
    (bad_habits.is_async, 0, "is async"),
    (bad_habits.is_async_generator, 0, "is async"),
]


@pytest.mark.parametrize(
    ("function", "offset", "problem"), VIOLATIONS, ids=lambda value: getattr(value, "__name__", "")
)
def test_each_rule_names_place_and_problem(
    function: Callable[..., Any], offset: int, problem: str
) -> None:
    """The error says function, module, line, what is wrong, and what to write instead."""
    with pytest.raises(DefinitionError) as caught:
        make(function)
    line = function.__code__.co_firstlineno + offset
    assert (
        caught.value.message
        == f"{function.__name__} ({bad_habits.__name__}, line {line}) {problem}."
    )
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (bad_habits.bare_except, "catches everything"),
        (bad_habits.sets_in_a_lambda, "sets self.count"),
        (bad_habits.in_a_comprehension, "uses hash"),
        (bad_habits.in_a_lambda, "uses id"),
    ],
)
def test_nested_code_is_read_too(function: Callable[..., Any], problem: str) -> None:
    """Lambdas, comprehensions, inner functions and handlers are part of their function."""
    with pytest.raises(DefinitionError, match=problem):
        make(function)


def test_what_a_method_closes_over_is_part_of_it() -> None:
    """A name bound outside the class is looked up, and may not be rebound."""
    clock_module, count = time, 0

    def reads(self):
        return clock_module.time()

    def rebinds(self):
        nonlocal count
        count += 1

    with pytest.raises(DefinitionError, match="uses the module time"):
        make(reads)
    with pytest.raises(DefinitionError, match="sets count outside the pallet"):
        make(rebinds)


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (bad_habits.calls_helper, "helper_with_a_clock .* uses the module time"),
        (bad_habits.uses_record, r"Scale\.apply .* divides with"),
    ],
)
def test_the_package_s_own_functions_are_followed(
    function: Callable[..., Any], problem: str
) -> None:
    """What a method calls by name in its package is read like the method."""
    with pytest.raises(DefinitionError, match=problem):
        make(function)


def a_call(self, _sender: Signed) -> None:
    time.time()


@pytest.mark.parametrize(
    "member",
    [
        property(bad_habits.clock),
        staticmethod(bad_habits.clock),
        classmethod(bad_habits.clock),
        partial(bad_habits.clock, 1),
        bad_habits.through_a_decorator(bad_habits.clock),
        contextmanager(bad_habits.clock),
        call(0, weight=Weight(reads=0, writes=0))(a_call),
        type("Inner", (), {"__qualname__": "Inner", "method": bad_habits.clock}),
    ],
    ids=lambda member: type(member).__name__,
)
def test_every_kind_of_member_is_read(member: Any) -> None:
    """Properties, static and class methods, partials, decorated functions, calls, inner classes."""
    if isinstance(member, type):
        member.__qualname__, member.__module__ = "Bad.Inner", __name__
    with pytest.raises(DefinitionError, match="uses the module time"):
        make(member=member)


def test_a_base_of_the_same_package_is_read() -> None:
    """A mixin is part of the pallet."""

    class Mixin:
        def read(self):
            return time.time()

    with pytest.raises(DefinitionError, match=r"Mixin\.read"):
        new_class(
            "Bad", (Mixin, Pallet), {"index": 9}, lambda names: names.update(__module__=__name__)
        )


@pytest.mark.parametrize("shared", [[], {}, set(), bytearray(), frozenset()])
def test_a_class_has_no_mutable_attribute(shared: Any) -> None:
    """It would be shared by every pallet of the class and survive a rollback."""
    with pytest.raises(DefinitionError) as caught:
        make(shared=shared)
    name = type(shared).__name__
    assert caught.value.message == f"Bad.shared is a {name} shared by all pallets."


@pytest.mark.parametrize("decorate", [cache, cached_property])
def test_nothing_is_cached_outside_the_state(decorate: Callable[[Any], Any]) -> None:
    """A cached result of a rolled-back state would stay."""
    with pytest.raises(DefinitionError, match=r"Bad\.member is cached, and the cache survives"):
        make(member=decorate(bad_habits.set_of))


def test_no_source_is_needed() -> None:
    """Code without a file, as in a frozen application, is read all the same."""
    names: dict[str, Any] = {"__name__": __name__}
    code = compile("def method(self):\n    return hash(self)", "nowhere.py", "exec")
    exec(code, names)  # noqa: S102 # how a frozen application loads it
    with pytest.raises(DefinitionError, match=r"method \(.*, line 2\) uses hash"):
        make(names["method"])


@pytest.mark.parametrize(
    "function",
    [
        bad_habits.exact_functions,
        bad_habits.membership,
        bad_habits.immutable_globals,
        bad_habits.expected_error,
        bad_habits.local_names,
        bad_habits.edits,
        bad_habits.shadowed,
        bad_habits.own_record,
        bad_habits.suppressed,
        bad_habits.two_kinds_of_scale,
        bad_habits.undefined_name,
    ],
)
def test_innocents_pass(function: Callable[..., Any]) -> None:
    """Exact functions, bad_habits.membership, immutable globals, expected errors and local state are fine."""
    assert make(function).definition.name == "Bad"


def test_a_pallet_may_name_itself() -> None:
    """A method that closes over its own class, or over itself, is read once."""

    class Recursive(Pallet, index=9):
        """Counts down."""

        steps = Value[Amount](0)

        @call(0, weight=Weight(reads=1, writes=1))
        def run(self, _sender: Signed) -> None:
            """Closes over the class, whose cell is empty while the class is made."""
            self.steps.put(len(Recursive.__name__))

    assert Recursive.definition.calls
