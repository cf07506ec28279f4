"""The determinism lint: what a pallet's code may not do, found when its class is created.

Two nodes that execute one block must end with the same bytes, whatever their machine, process,
version of Python or history.  So this reads the code objects of a pallet (no source is needed): its
methods, hooks and properties, what is nested in them, the classes in it, and the functions and
classes of the same top-level package that they name.  Each finding is a `DefinitionError` that says
where, why, and what to write instead.

It has no false alarms by design: every rule is about something that a pallet can always do
without.  In return it misses what cannot be decided from names and instructions, and the replay of
every block on a second runtime, in another process (`runtime/testing/`), is there for that:

- sets that operators make of dictionary views (`a.keys() & b.keys()`), and whatever a foreign
  package returns or does inside;
- objects whose `repr` has an address in it, and results of `**` with a negative exponent;
- attributes whose name is computed (`getattr(self, name)`);
- loops that never end, and exceptions swallowed by `contextlib.suppress`;
- text functions that follow the Unicode version of Python (`str.casefold`, `str.isalpha`).

Prior art: Xian's contract linter and Cosmos SDK's `gosec` rules for map iteration.
"""

from __future__ import annotations

import builtins
import dis
import functools
import inspect
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any

from runtime.errors import (
    DefinitionError,
    DispatchError,
    InvalidBlock,
    InvariantViolation,
    OpenLedgerError,
    StoreError,
)
from runtime.overlay import WeightExceeded

_Reason = tuple[str, str]
"""What is wrong, and what to write instead."""
_Check = Callable[["_Scope", list[dis.Instruction], int], _Reason | None]

_INTEGERS = "Use integers: amounts in 10**-18 OPEN, shares in parts per billion, `//`."
_CONTEXT = "Take time, height and beacon from self.block, everything else as an argument."
_EFFECTS = "Emit an event; whatever comes from outside is an argument of a call."
_ORDERED = "Use a tuple, sorted(...), or dict.fromkeys(...), which keeps the order."
_STATE = "Keep it in a Value or a Map; between calls a pallet has no other memory."
_CONSTANT = "Make it immutable: a tuple, or types.MappingProxyType around a dictionary."
_PLAIN_CODE = "Write the code out."

_CLOCKS = "time datetime calendar zoneinfo"
_CHANCE = "random _random secrets uuid"
_FLOATING = "math cmath statistics decimal numpy torch"
_SYSTEM = "os posix nt sys io _io platform locale pathlib shutil tempfile subprocess shelve logging"
_NETWORK = "socket ssl select selectors http urllib httpx requests plyvel warnings"
_SCHEDULES = "threading _thread multiprocessing concurrent asyncio trio contextvars queue"
_PROCESSES = "ctypes pickle marshal gc weakref unicodedata"
BANNED_MODULES: Mapping[str, _Reason] = MappingProxyType(
    {
        name: reason
        for names, reason in (
            (_CLOCKS, ("reads the clock", _CONTEXT)),
            (_CHANCE, ("is random", _CONTEXT)),
            (_FLOATING, ("computes with floats", _INTEGERS)),
            (_SYSTEM, ("reaches outside the state", _EFFECTS)),
            (_NETWORK, ("reaches outside the state", _EFFECTS)),
            (_SCHEDULES, ("depends on a schedule", "Write it as one sequence of steps.")),
            (_PROCESSES, ("depends on the process or on Python's version", _EFFECTS)),
        )
        for name in names.split()
    }
)
"""Top-level modules that no pallet may use: what they do, and what to do instead."""
EXACT_FUNCTIONS = frozenset({"comb", "factorial", "gcd", "isqrt", "lcm", "perm"})
"""What `math` may be used for: integers in, the exact integer out."""

_FLOATS = ("computes with floats, which round", _INTEGERS)
_PROCESS = ("differs between processes", "Use a function of runtime.hashing.")
_NO_ORDER = ("makes or passes on a set, whose order differs between processes", _ORDERED)
_OPAQUE = ("hides what it runs or changes", _PLAIN_CODE)
_BANNED_VALUES: tuple[tuple[Any, _Reason], ...] = (
    *((value, _FLOATS) for value in (float, complex, operator.truediv, operator.itruediv)),
    *((value, _PROCESS) for value in (hash, id)),
    *((value, _NO_ORDER) for value in (set, frozenset)),
    *((value, ("does input or output", _EFFECTS)) for value in (open, input, print, breakpoint)),
    *((value, _OPAQUE) for value in (eval, exec, compile, __import__, globals, locals, vars)),
    *((value, _OPAQUE) for value in (setattr, delattr)),
)
_HIDDEN_ATTRIBUTES = frozenset({"__builtins__", "__dict__", "__globals__", "__hash__"})
_BROAD_ERRORS = (
    BaseException,
    Exception,
    OpenLedgerError,
    DispatchError,
    WeightExceeded,
    InvariantViolation,
    StoreError,
    DefinitionError,
    InvalidBlock,
)
_MUTABLE = (list, dict, set, bytearray)
_CACHES = (functools.cached_property, functools._lru_cache_wrapper)  # noqa: SLF001 # its only name
_UNKNOWN = object()


@dataclass(frozen=True, slots=True)
class _Routine:
    """A function to read."""

    function: FunctionType
    is_method: bool
    """Whether its first parameter is the pallet."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the names in a code object stand for."""

    name: str
    """Of the function, as its class names it."""
    module: str
    names: Mapping[str, Any]
    """The globals of the function's module."""
    cells: Mapping[str, Any]
    """What the function closed over when it was made."""
    pallet_name: str | None
    """The name of the parameter that is the pallet."""

    def value_of(self, instruction: dis.Instruction) -> Any:
        """The value that an instruction loads by name, or `_UNKNOWN`."""
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            name = instruction.argval
            return self.names[name] if name in self.names else vars(builtins).get(name, _UNKNOWN)
        if "DEREF" in instruction.opname and instruction.opname.startswith("LOAD"):
            return self.cells.get(instruction.argval, _UNKNOWN)
        return _UNKNOWN

    def loads_pallet(self, instruction: dis.Instruction) -> bool:
        """Whether an instruction puts the pallet on top of the stack."""
        names = instruction.argval
        loaded = names[-1] if isinstance(names, tuple) else names  # Python 3.13 loads two at once
        loads = "LOAD_FAST" in instruction.opname or instruction.opname == "LOAD_DEREF"
        return loads and self.pallet_name is not None and loaded == self.pallet_name


def check_determinism(pallet: type) -> None:
    """Raise `DefinitionError` where a pallet's class could make two nodes disagree."""
    for name, member in vars(pallet).items():
        _check_member(pallet, name, member)
    _Lint(pallet).run()


def _check_member(pallet: type, name: str, member: Any) -> None:
    if name.startswith("__"):
        return
    if isinstance(member, _CACHES):
        message = f"{pallet.__name__}.{name} is cached, and the cache survives a rollback."
        raise DefinitionError(message, remedy=_STATE)
    if isinstance(member, (*_MUTABLE, frozenset)):
        message = f"{pallet.__name__}.{name} is a {type(member).__name__} shared by all pallets."
        raise DefinitionError(message, remedy=_CONSTANT)


class _Lint:
    """One reading of a pallet: every function once."""

    def __init__(self, pallet: type) -> None:
        self._pallet = pallet
        self._package = pallet.__module__.split(".")[0]
        self._seen: dict[Any, None] = {}
        self._queue: list[_Routine] = []

    def run(self) -> None:
        """Read the class, and what it leads to."""
        for base in self._pallet.__mro__:
            if base is self._pallet or self._is_ours(base):
                self._add_class(base, is_pallet=True)
        while self._queue:
            self._read_function(self._queue.pop())

    def _is_ours(self, value: Any) -> bool:
        return str(getattr(value, "__module__", "")).split(".")[0] == self._package

    def _add_class(self, owner: type, *, is_pallet: bool = False) -> None:
        for member in vars(owner).values():
            if isinstance(member, type) and member.__qualname__.startswith(owner.__qualname__):
                self._follow(member)
            for function in _functions_of(member):
                static = isinstance(member, staticmethod)
                self._add(_Routine(function, is_method=is_pallet and not static))

    def _add(self, routine: _Routine) -> None:
        function = routine.function
        if function in self._seen:
            return
        self._seen[function] = None
        home = str(function.__globals__.get("__name__", ""))
        if home.partition(".")[0] != self._package:  # a foreign decorator: what does it wrap?
            for value in _cells_of(function).values():
                self._follow(value)
        elif function.__code__.co_filename != "<string>":  # that is what `dataclass` writes
            self._queue.append(routine)

    def _follow(self, value: Any) -> None:
        """Read a function or class of the pallet's package later."""
        if not self._is_ours(value):
            return
        if isinstance(value, type) and "definition" not in vars(value) and value not in self._seen:
            self._seen[value] = None
            self._add_class(value)
        for function in _functions_of(value):
            self._add(_Routine(function, is_method=False))

    def _read_function(self, routine: _Routine) -> None:
        function = routine.function
        code = function.__code__
        cells = _cells_of(function)
        scope = _Scope(
            name=code.co_qualname.rsplit("<locals>.", 1)[-1],
            module=function.__module__,
            names=function.__globals__,
            cells=cells,
            pallet_name=code.co_varnames[0] if routine.is_method and code.co_argcount else None,
        )
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        if any(isinstance(default, _MUTABLE) for default in defaults):
            problem = "has a default that calls could change"
            raise _finding(scope, code, None, (problem, _CONSTANT))
        if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
            raise _finding(scope, code, None, ("is async", "Write a plain function."))
        self._read_code(scope, code)

    def _read_code(self, scope: _Scope, code: CodeType) -> None:
        instructions = list(dis.get_instructions(code))
        for position, instruction in enumerate(instructions):
            reason = self._problem(scope, instructions, position)
            if reason is not None:
                raise _finding(scope, code, instruction, reason)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._read_code(scope, constant)

    def _problem(
        self, scope: _Scope, instructions: list[dis.Instruction], position: int
    ) -> _Reason | None:
        instruction = instructions[position]
        following = instructions[min(position + 1, len(instructions) - 1)]
        value = scope.value_of(instruction)
        if value is not _UNKNOWN:
            attribute = following.argval if following.opname.startswith("LOAD_") else None
            for each in _with_attribute(value, attribute):
                self._follow(each)
                reason = _value_problem(each, attribute, following)
                if reason is not None:
                    return reason
            return None
        check = _CHECKS.get(instruction.opname)
        return None if check is None else check(scope, instructions, position)


def _with_attribute(value: Any, attribute: Any) -> Iterator[Any]:
    """A value, and what is named of it where it is a module: `arithmetic.apply_ppb`."""
    yield value
    if isinstance(value, ModuleType) and isinstance(attribute, str) and hasattr(value, attribute):
        yield getattr(value, attribute)


def _value_problem(value: Any, attribute: Any, following: dis.Instruction) -> _Reason | None:
    """Why a value that a name stands for may not be used so."""
    banned = next((reason for known, reason in _BANNED_VALUES if known is value), None)
    if banned is not None:
        return f"uses {value.__name__}, which {banned[0]}", banned[1]
    home = _home_of(value)
    reason = BANNED_MODULES.get(home.split(".")[0])
    if reason is not None:
        exact = attribute if isinstance(value, ModuleType) else getattr(value, "__name__", "")
        if home != "math" or exact not in EXACT_FUNCTIONS:
            return f"uses the module {home}, which {reason[0]}", reason[1]
        return None
    if isinstance(value, frozenset) and following.opname != "CONTAINS_OP":
        return "uses a set for something else than `in`", _ORDERED
    if isinstance(value, (*_MUTABLE, Iterator)):
        name = type(value).__name__
        return f"uses a {name} of its module, which calls could change", _CONSTANT
    return None


def _home_of(value: Any) -> str:
    """The module that a value belongs to; a method belongs where its object does."""
    if isinstance(value, ModuleType):
        return value.__name__
    owner = getattr(value, "__self__", None)
    if owner is None or isinstance(owner, ModuleType):
        owner = value
    return str(getattr(owner, "__module__", None) or type(owner).__module__)


def _constant_problem(
    _scope: _Scope, instructions: list[dis.Instruction], position: int
) -> _Reason | None:
    constant = instructions[position].argval
    if _has_float(constant):
        return "computes with floats, which round", _INTEGERS
    following = instructions[position + 1]
    if isinstance(constant, frozenset) and following.opname != "CONTAINS_OP":
        return "uses a set for something else than `in`", _ORDERED
    return None


def _has_float(constant: Any) -> bool:
    if isinstance(constant, tuple):
        return any(map(_has_float, constant))
    return isinstance(constant, float | complex)


def _operator_problem(
    _scope: _Scope, instructions: list[dis.Instruction], position: int
) -> _Reason | None:
    if instructions[position].argrepr in ("/", "/="):
        return "divides with `/`, which gives a float", _INTEGERS
    return None


def _set_problem(*_place: object) -> _Reason:
    return _NO_ORDER


def _import_problem(
    _scope: _Scope, instructions: list[dis.Instruction], position: int
) -> _Reason | None:
    name = str(instructions[position].argval)
    reason = BANNED_MODULES.get(name.partition(".")[0])
    return None if reason is None else (f"imports {name}, which {reason[0]}", reason[1])


def _attribute_problem(
    _scope: _Scope, instructions: list[dis.Instruction], position: int
) -> _Reason | None:
    name = instructions[position].argval
    if name in _HIDDEN_ATTRIBUTES:
        return f"uses {name}, which {_OPAQUE[0]}", _OPAQUE[1]
    return None


def _store_problem(
    scope: _Scope, instructions: list[dis.Instruction], position: int
) -> _Reason | None:
    name = instructions[position].argval
    before = instructions[position - 1]
    if before.opname == "SWAP":  # self.name += ...: the object was loaded before its attribute
        copied = range(position - 1, 1, -1)
        loads = (at for at in copied if _copies_attribute(instructions, at, name))
        before = instructions[next(loads, 2) - 2]
    if scope.loads_pallet(before):
        return f"sets self.{name}, which survives a rollback", _STATE
    return None


def _copies_attribute(instructions: list[dis.Instruction], position: int, name: str) -> bool:
    """Whether an object is kept on the stack here while its attribute is read."""
    loads = instructions[position].opname == "LOAD_ATTR"
    copies = instructions[position - 1].opname == "COPY"
    return loads and copies and instructions[position].argval == name


def _global_problem(_scope: _Scope, instructions: list[dis.Instruction], position: int) -> _Reason:
    return f"sets the global {instructions[position].argval}, which survives a rollback", _STATE


def _nonlocal_problem(
    scope: _Scope, instructions: list[dis.Instruction], position: int
) -> _Reason | None:
    name = instructions[position].argval
    if name in scope.cells:
        return f"sets {name} outside the pallet, which survives a rollback", _STATE
    return None


def _handler_problem(
    _scope: _Scope, instructions: list[dis.Instruction], position: int
) -> _Reason | None:
    if instructions[position + 1].opname == "POP_TOP":
        return _swallows("everything")
    return None


def _match_problem(
    scope: _Scope, instructions: list[dis.Instruction], position: int
) -> _Reason | None:
    before = reversed(instructions[:position])
    expressions = takewhile(lambda each: each.opname.startswith(("LOAD_", "BUILD_TUPLE")), before)
    for value in map(scope.value_of, expressions):
        if any(value is broad for broad in _BROAD_ERRORS):
            return _swallows(value.__name__)
    return None


def _swallows(what: str) -> _Reason:
    problem = f"catches {what}, and with it errors that must end the call or the block"
    return (
        problem,
        "Catch one expected error by its class; self.attempt makes a call that may fail.",
    )


def _assert_problem(
    _scope: _Scope, instructions: list[dis.Instruction], position: int
) -> _Reason | None:
    instruction = instructions[position]
    found = instruction.opname == "LOAD_ASSERTION_ERROR" or instruction.argval is AssertionError
    return (
        ("asserts, which `python -O` removes", "Raise an Error of the pallet.") if found else None
    )


_CHECKS: Mapping[str, _Check] = MappingProxyType(
    {
        "LOAD_CONST": _constant_problem,
        "BINARY_OP": _operator_problem,
        "BUILD_SET": _set_problem,
        "SET_ADD": _set_problem,
        "IMPORT_NAME": _import_problem,
        "LOAD_ATTR": _attribute_problem,
        "LOAD_METHOD": _attribute_problem,
        "STORE_ATTR": _store_problem,
        "DELETE_ATTR": _store_problem,
        "STORE_GLOBAL": _global_problem,
        "DELETE_GLOBAL": _global_problem,
        "STORE_DEREF": _nonlocal_problem,
        "DELETE_DEREF": _nonlocal_problem,
        "PUSH_EXC_INFO": _handler_problem,
        "CHECK_EXC_MATCH": _match_problem,
        "CHECK_EG_MATCH": _match_problem,
        "LOAD_ASSERTION_ERROR": _assert_problem,
        "LOAD_COMMON_CONSTANT": _assert_problem,  # Python 3.14
    }
)


def _functions_of(member: Any) -> Iterator[FunctionType]:
    """The Python functions behind a member of a class or a name of a module."""
    if isinstance(member, property):
        parts: tuple[Any, ...] = (member.fget, member.fset, member.fdel)
    elif isinstance(member, staticmethod | classmethod):
        parts = (member.__func__,)
    elif isinstance(member, functools.partial):
        parts = (member.func,)
    else:
        parts = (member, getattr(member, "function", None))
    for part in parts:
        if isinstance(part, FunctionType):
            yield part


def _cells_of(function: FunctionType) -> dict[str, Any]:
    """What a function closed over; a name that is not assigned yet is unknown."""
    cells: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            cells[name] = cell.cell_contents
        except ValueError:  # the cell is empty: the class, or a recursive function, is being made
            cells[name] = _UNKNOWN
    return cells


def _finding(
    scope: _Scope, code: CodeType, instruction: dis.Instruction | None, reason: _Reason
) -> DefinitionError:
    positions = None if instruction is None else instruction.positions
    line = code.co_firstlineno if positions is None else positions.lineno or code.co_firstlineno
    problem, remedy = reason
    return DefinitionError(f"{scope.name} ({scope.module}, line {line}) {problem}.", remedy=remedy)
