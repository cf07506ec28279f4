"""The style guide's rules that a linter does not know, each with its own test."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
LAYERS = ("runtime", "consensus", "pallets", "ml", "genesis", "node", "studio", "ops")
# Names of package registries and model hubs; joined here so that this file does not name them.
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))]
UNFINISHED = "|".join(
    ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK", "NotImplemented" + "Error")
)


@cache
def tracked_files() -> tuple[Path, ...]:
    """Files that git tracks or would track, so that caches and the demo's data stay out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(path for name in listing.splitlines() if (path := ROOT / name).is_file())


def python_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def is_generated(path: Path) -> bool:
    """Whether a program wrote it: a docstring that says so, and a test that writes it again."""
    return "Written by `openledger" in path.read_text()[:400]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def line_count(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_is_longer_than_600_lines():
    """A longer Python file holds more than one thing, unless a program wrote it."""
    lengths = {
        relative(path): len(path.read_text().splitlines())
        for path in python_files()
        if not is_generated(path)
    }
    assert {name: count for name, count in lengths.items() if count > FILE_LINES_MAX} == {}


def test_no_function_is_longer_than_70_lines():
    """A longer function does more than one thing."""
    long = [
        f"{relative(path)}:{node.lineno} {node.name}: {line_count(node)}"
        for path in python_files()
        for node in functions(path)
        if line_count(node) > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_medians_are_reported(record_property: pytest.FixtureRequest):
    """The medians are a sign of health, never a target; they are printed with `-rP`."""
    files = [len(path.read_text().splitlines()) for path in python_files()]
    lengths = [line_count(node) for path in python_files() for node in functions(path)]
    print(f"files: {len(files)}, median {statistics.median(files)} lines")  # noqa: T201 # the report
    print(f"functions: {len(lengths)}, median {statistics.median(lengths)} lines")  # noqa: T201
    assert files
    assert lengths


def test_nothing_is_left_unfinished():
    """No marker of unfinished work and no stub is committed."""
    found = [
        f"{relative(path)}:{number}"
        for path in python_files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(rf"\b({UNFINISHED})\b", line)
    ]
    assert found == []


def test_every_silenced_check_has_its_reason():
    """`noqa` and `type: ignore` name the rule and say why, behind `#` or `--` on the same line."""
    pattern = re.compile(r"#\s*(noqa|type:\s*ignore)(?P<rest>.*)")
    bare = []
    for path in python_files():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = pattern.search(line)
            if match and path.name != "test_tidy.py" and not re.search(r"#|--", match["rest"]):
                bare.append(f"{relative(path)}:{number} {line.strip()}")
    assert bare == []


def test_every_test_states_its_behaviour():
    """A test function has a docstring: the behaviour it pins."""
    silent = [
        f"{relative(path)}:{node.lineno} {node.name}"
        for path in python_files()
        if path.name.startswith("test_")
        for node in functions(path)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []


def test_no_file_names_a_package_registry():
    """Where packages come from is the business of the machine, not of the repository."""
    found = [
        f"{relative(path)}: {host}"
        for path in tracked_files()
        if path.suffix not in {".safetensors", ".png"}
        for host in HOSTS
        if host in path.read_text(errors="replace")
    ]
    assert found == []


def test_no_test_is_skipped_without_a_reason():
    """`skip` and `xfail` say why; data sets outside the product may be absent, nothing else."""
    found = [
        f"{relative(path)}:{number}"
        for path in python_files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"mark\.(skip|skipif|xfail)\b(?!\(.*reason)", line)
        and path.name != "test_tidy.py"
    ]
    assert found == []
