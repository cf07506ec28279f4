"""Consensus code is pure: no clock, randomness, I/O, threads, floats, set iteration or `hash()`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.determinism import BANNED_MODULES

ROOT = Path(__file__).resolve().parent.parent
BANNED_CALLS = frozenset(
    {"open", "hash", "id", "eval", "exec", "input", "print", "float", "globals"}
)
# Where runtime/ touches a disk, the LevelDB directory, and where its testing part starts processes.
IMPURE = frozenset(
    {f"runtime/state/{name}.py" for name in ("store", "leveldb", "audit", "restore")}
    | {"runtime/testing/processes.py"}
    # Undoes what a library does to the process when it is imported.
    | {"consensus/bls/reference.py"}
)
# It draws from seeded generators and starts processes; that runs repeat is tested.
SIMULATOR = "consensus/sim/"


def pure_files() -> Iterator[Path]:
    for layer in ("runtime", "pallets", "consensus"):
        for path in sorted((ROOT / layer).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if name not in IMPURE and not name.startswith(SIMULATOR):
                yield path


def iterates_a_set(node: ast.AST) -> bool:
    """Whether a loop or comprehension walks a set display, or a `set(...)` that is not sorted."""
    iterable = node.iter if isinstance(node, ast.For | ast.comprehension) else None
    if isinstance(iterable, ast.Call) and isinstance(iterable.func, ast.Name):
        return iterable.func.id in {"set", "frozenset"}
    return isinstance(iterable, ast.Set | ast.SetComp)


def impurities(source: str) -> list[str]:
    """Everything in a module's source that could make two machines disagree."""
    found = []
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = []
        found += [
            f"{line}: imports {name}" for name in names if name.split(".")[0] in BANNED_MODULES
        ]
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            found.append(f"{line}: float {node.value}")
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            found.append(f"{line}: true division")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found += [f"{line}: {node.func.id}()"] if node.func.id in BANNED_CALLS else []
        if iterates_a_set(node):
            found.append(f"{line}: iterates a set")
        if isinstance(node, ast.Assert):
            found.append(f"{line}: assert, which -O removes")
    return found


@pytest.mark.parametrize("path", list(pure_files()), ids=lambda path: str(path.relative_to(ROOT)))
def test_consensus_code_is_pure(path: Path):
    """Runtime, pallets and consensus hold nothing that two machines could disagree on."""
    assert impurities(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from random import choice",
        "x = 0.5",
        "x = 1 / 2",
        "hash('a')",
        "for x in {1, 2}: pass",
        "[x for x in set(y)]",
        "assert x",
        "import torch.nn",
    ],
)
def test_the_purity_lint_finds_an_impurity(source: str):
    """The lint itself fails on each kind of impurity."""
    assert impurities(source)
