"""The calls that pages fill in themselves, against the runtime's metadata."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parents[2]
METADATA = json.loads((ROOT / "genesis/metadata/1.json").read_bytes())
CALLS = {
    f"{pallet['name']}.{each['name']}": {argument["name"] for argument in each["arguments"]}
    for pallet in METADATA["pallets"]
    for each in pallet["calls"]
}
NESTED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
"""A type within a record's type, which holds no other."""


def fields_of(notation: str) -> frozenset[str]:
    """The names of a record's fields, by its type in the metadata's notation."""
    inside = notation.partition("(")[2].rpartition(")")[0]
    while NESTED.search(inside):
        inside = NESTED.sub("", inside)
    return frozenset(re.findall(r"(\w+):", inside))


RECORDS = {
    f"{pallet['name']}.{each['name']}.{argument['name']}": fields_of(argument["type"])
    for pallet in METADATA["pallets"]
    for each in pallet["calls"]
    for argument in each["arguments"]
}


def filled_calls() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Where a page names a call and its arguments: (place, call, names of arguments)."""
    for path in sorted((ROOT / "studio").rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _of_function(path.stem, function)


def _of_function(
    place: str, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> Iterator[tuple[str, str, frozenset[str]]]:
    assigned = {
        target.id: each.value
        for each in ast.walk(function)
        if isinstance(each, ast.Assign) and isinstance(each.value, ast.Dict)
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    for each in ast.walk(function):
        if not isinstance(each, ast.Call) or getattr(each.func, "id", "") != "filled_call":
            continue
        _studio, name, given = each.args
        arguments = assigned.get(given.id) if isinstance(given, ast.Name) else given
        if isinstance(name, ast.Constant) and isinstance(arguments, ast.Dict):
            where = f"{place}.{function.name}"
            yield where, str(name.value), _keys(arguments)
            for key, value in zip(arguments.keys, arguments.values, strict=True):
                record = assigned.get(value.id) if isinstance(value, ast.Name) else value
                if isinstance(key, ast.Constant) and _is_whole(record):
                    yield where, f"{name.value!s}.{key.value!s}", _keys(record)


def _is_whole(record: ast.expr | None) -> TypeGuard[ast.Dict]:
    """Whether all of its keys are written out."""
    return isinstance(record, ast.Dict) and None not in record.keys


def _keys(written: ast.Dict) -> frozenset[str]:
    return frozenset(str(ast.literal_eval(key)) for key in written.keys if key)


@pytest.mark.parametrize(("place", "call", "arguments"), sorted(set(filled_calls())))
def test_a_call_that_a_page_fills_in_has_the_chains_arguments(place, call, arguments):
    """A pallet's call that changes, or a record in it, is a page that changes."""
    assert arguments == (CALLS | RECORDS)[call], place
