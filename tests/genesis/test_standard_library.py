"""The standard library's documentation as rows and texts, in two halves that never meet."""

import collections
import subprocess
import sys

import pytest

from genesis.standard_library import (
    BOILERPLATE_STARTS,
    SKIPPED_MODULES,
    DocumentationRow,
    Half,
    documentation_rows,
    documentation_texts,
    half_of,
    module_names,
    summary,
)

Rows = dict[Half, list[DocumentationRow]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    """The rows of both halves, read once."""
    return {half: documentation_rows(half) for half in Half}


def test_the_halves_share_no_module_and_together_hold_every_public_one() -> None:
    """A top-level module is in exactly one half, unless it is private or skipped."""
    base, demo = (set(module_names(half)) for half in Half)
    public = {name for name in sys.stdlib_module_names if not name.startswith("_")}
    assert not base & demo
    assert base | demo == public - SKIPPED_MODULES


def test_a_module_stays_in_its_half() -> None:
    """The split is a hash of the name: the same on every machine and in every release."""
    assert {half_of(name) for name in ("email", "builtins", "collections")} == {Half.BASE}
    assert {half_of(name) for name in ("json", "os", "statistics")} == {Half.DEMO}


def test_the_demo_half_is_large_enough_for_a_datanet_per_module(rows: Rows) -> None:
    """At least 1,500 rows, and 20 modules with 30 rows or more each, on the reference Python."""
    counts = collections.Counter(row.module for row in rows[Half.DEMO])
    assert sum(counts.values()) >= 1500
    if sys.version_info[:2] == (3, 11):
        assert sum(count >= 30 for count in counts.values()) >= 20


def test_rows_are_repeated_neither_by_prompt_nor_inside_a_module_by_completion(rows: Rows) -> None:
    """A prompt occurs once, a completion once in each top-level module."""
    for found in rows.values():
        assert len({row.prompt for row in found}) == len(found)
        assert len({(row.module, row.completion) for row in found}) == len(found)


def test_completions_are_whole_sentences_without_boilerplate(rows: Rows) -> None:
    """Each ends as a sentence does, is one line of bounded length, and was written by a person."""
    for row in [*rows[Half.BASE], *rows[Half.DEMO]]:
        assert row.completion.rstrip("\"')`")[-1] in ".!?", row
        assert len(row.completion) <= 200, row
        assert "\n" not in row.completion, row
        assert not row.completion.startswith(BOILERPLATE_STARTS), row
        assert "See help(type(self))" not in row.completion, row
        assert ".__" not in row.prompt, row


def test_rows_belong_to_the_half_of_their_module(rows: Rows) -> None:
    """No re-export brings a row of one half into the other."""
    for half, found in rows.items():
        assert {half_of(row.module) for row in found} == {half}
        assert all(f" {row.module}" in row.prompt for row in found)


def test_rows_come_in_the_same_order_every_time(rows: Rows) -> None:
    """Modules are sorted, and a second reading gives equal rows."""
    assert documentation_rows(Half.DEMO) == rows[Half.DEMO]
    modules = list(dict.fromkeys(row.module for row in rows[Half.DEMO]))
    assert modules == sorted(modules)


def test_known_rows(rows: Rows) -> None:
    """A function, a class and a module each get their wording."""
    assert (
        DocumentationRow(
            "What does statistics.fmean do?",
            "Convert data to floats and compute the arithmetic mean.",
            "statistics",
        )
        in rows[Half.DEMO]
    )
    prompts = {row.prompt for found in rows.values() for row in found}
    assert {"What is collections.OrderedDict?", "What is the module heapq for?"} <= prompts


def test_texts_are_whole_docstrings_without_repetitions() -> None:
    """The texts for pre-training keep paragraphs, and each occurs once."""
    texts = list(documentation_texts(Half.BASE))
    assert len(texts) == len(set(texts)) >= 1000
    assert any("\n\n" in text for text in texts)


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("f(x) -> y\n\nReturn the double of the number x.", "Return the double of the number x."),
        (
            "D.pop(k[,d]) -> v\nRemove the key and return its value",
            "Remove the key and return its value.",
        ),
        ("Give the size\nof the queue.  Not exact!", "Give the size of the queue. Not exact!"),
        ("Takes these values:\n    one\n    two", ""),
        ("Initialize self.  See help(type(self)) for accurate signature.", ""),
        ("Return self==value.", ""),
        ("Alias for field number 0", ""),
        ("", ""),
    ],
)
def test_a_summary_is_the_first_prose_of_a_docstring(docstring: str, expected: str) -> None:
    """Signatures, boilerplate and stubs are dropped, whitespace is collapsed, sentences end."""
    assert summary(docstring, 200) == expected


def test_a_summary_keeps_as_many_sentences_as_fit() -> None:
    """The limit cuts at the end of a sentence, or gives nothing."""
    text = "Close the connection to the server. A second call does nothing at all."
    assert summary(text, 40) == "Close the connection to the server."
    assert summary(text, 20) == ""


def test_reading_executes_no_main_and_opens_no_socket_or_browser() -> None:
    """An audit hook in a fresh interpreter sees no such event while both halves are read."""
    program = (
        "import sys\n"
        "seen = []\n"
        "banned = ('socket.connect', 'socket.bind', 'subprocess.Popen', 'os.system', 'webbrowser.open')\n"
        "sys.addaudithook(lambda event, _: event in banned and seen.append(event))\n"
        "from genesis.standard_library import Half, documentation_rows\n"
        "rows = [documentation_rows(half) for half in Half]\n"
        "assert not seen and 'antigravity' not in sys.modules, seen\n"
    )
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
