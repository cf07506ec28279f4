"""Methods for `test_determinism.py`: what a pallet may not do, and what it may."""

from __future__ import annotations

import itertools
import math
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from math import isqrt
from operator import truediv
from random import randint
from types import FunctionType, MappingProxyType

from runtime.errors import DefinitionError, DispatchError, InvalidProof, OpenLedgerError

COUNTER = 0
TABLE = {1: 2}
COUNT = itertools.count()
LANES = frozenset({"fast", "verifiable"})
BOUNDS = MappingProxyType({"rank": 8})
GENERATOR = random.Random(5)


# What it may not do


def float_constant(self):
    return self.block.height * 0.5


def folded_float(self):
    return 1 / 2


def float_in_a_tuple(self):
    return (1, (2, 2.5))


def complex_constant(self):
    return 2j


def division(self, amount):
    return amount / 2


def division_in_place(self, amount):
    amount /= 2


def to_float(self, amount):
    return float(amount)


def division_by_operator(self, amount):
    return truediv(amount, 2)


def float_module(self, amount):
    return math.sqrt(amount)


def set_display(self, one, two):
    return {one, two}


def set_of(self, items):
    return set(items)


def frozen_set_of(self, items):
    return frozenset(items)


def set_comprehension(self, items):
    return {item for item in items}


def loop_over_a_set(self):
    for item in {1, 2, 3}:
        self.emit(item)


def loop_over_a_global_set(self):
    return [lane for lane in LANES]


def hash_of(self, key):
    return hash(key)


def identity(self, key):
    return id(key)


def clock(self):
    return time.time()


def chance(self):
    return random.random()


def seeded_chance(self):
    return GENERATOR.random()


def bound_chance(self):
    return randint(1, 2)


def late_import(self):
    import os

    return os.urandom(3)


def from_import(self):
    from datetime import datetime

    return datetime.now()


def file(self):
    return open("/etc/hostname")


def prints(self):
    print("hello")


def evaluates(self, text):
    return eval(text)


def hidden_set(self, name):
    setattr(self, name, 1)


def hidden_dictionary(self):
    self.__dict__["cache"] = 1


def sets_attribute(self):
    self.count = 1


def adds_to_attribute(self):
    self.count += 1


def sets_in_a_lambda(self):
    def inner():
        self.count = 1

    return inner


def deletes_attribute(self):
    del self.count


def sets_global(self):
    global COUNTER
    COUNTER = 1


def uses_mutable_global(self, key):
    TABLE[key] = 1


def uses_global_iterator(self):
    return next(COUNT)


def mutable_default(self, seen=[]):
    seen.append(1)


def mutable_keyword_default(self, *, seen={}):
    return seen


def bare_except(self):
    try:
        self.emit(1)
    except:
        pass


def except_exception(self):
    try:
        self.emit(1)
    except Exception:
        pass


def except_dispatch_error(self):
    try:
        self.emit(1)
    except (InvalidProof, DispatchError) as error:
        return error


def except_root_error(self):
    try:
        self.emit(1)
    except OpenLedgerError:
        return None


# pytest rewrites a plain `assert`, so this one comes as text.
asserts: FunctionType
exec(compile("def asserts(self, amount):\n    assert amount", "asserts.py", "exec"))


async def is_async(self):
    return 1


async def is_async_generator(self):
    yield 1


def in_a_comprehension(self, items):
    return [hash(item) for item in items]


def in_a_lambda(self, items):
    return sorted(items, key=lambda item: id(item))


def helper_with_a_clock():
    return time.monotonic()


@dataclass
class Scale:
    """A record of this package with a method."""

    factor: int

    def apply(self, amount):
        return amount / self.factor

    def grow(self):
        self.factor += 1


def calls_helper(self):
    return helper_with_a_clock()


def uses_record(self, amount):
    return Scale(2).apply(amount)


def through_a_decorator(function):
    @wraps(function)
    def wrapper(*arguments):
        return function(*arguments)

    return wrapper


# What it may do


def exact_functions(self, amount):
    return math.isqrt(amount) + isqrt(amount) + math.gcd(amount, 2) // 2


def membership(self, lane):
    return lane in LANES or lane in {"one", "two"} or lane not in ("three",)


def immutable_globals(self):
    return BOUNDS["rank"] + COUNTER


def expected_error(self):
    try:
        self.emit(1)
    except (InvalidProof, KeyError) as error:
        raise DefinitionError("sentence", remedy="remedy") from error
    finally:
        self.emit(2)


def local_names(self, items):
    seen: dict[int, int] = {}
    total = 0

    def count(item):
        nonlocal total
        total += item

    for item in items:
        seen[item] = total
        count(item)
    return [each for each in dict.fromkeys(seen)]


def edits(self, account):
    with self.accounts.edit(account) as record:
        record.free += 1
        record.held -= 1


def shadowed(self, id, hash):
    return id + hash


def own_record(self):
    scale = Grown(2)
    scale.grow()
    return scale


@dataclass
class Grown:
    """A record that changes itself, which is its own business."""

    factor: int

    def grow(self):
        self.factor += 1


def two_kinds_of_scale(self):
    return Grown(1).grow(), Grown(2).grow(), double(3), double(4)


def double(amount):
    return 2 * amount


def suppressed(self):
    with suppress(KeyError):
        self.emit(1)


def undefined_name(self):
    return nowhere  # type: ignore[name-defined] # not there yet when the class is made
