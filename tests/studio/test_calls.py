"""The calls that pages fill in themselves, against the runtime's metadata."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
METADATA = json.loads((ROOT / "genesis/metadata/1.json").read_bytes())
CALLS = {
    f"{pallet['name']}.{each['name']}": {argument["name"] for argument in each["arguments"]}
    for pallet in METADATA["pallets"]
    for each in pallet["calls"]
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
            keys = frozenset(str(ast.literal_eval(key)) for key in arguments.keys if key)
            yield f"{place}.{function.name}", str(name.value), keys


@pytest.mark.parametrize(("place", "call", "arguments"), sorted(set(filled_calls())))
def test_a_call_that_a_page_fills_in_has_the_chains_arguments(place, call, arguments):
    """A pallet's call that changes is a page that changes: it would fail at the signature."""
    assert arguments == CALLS[call], place
