"""The demo's cast: honest contributors, one copier, one careless contributor."""

import random

import pytest

from node.demo.corpus import (
    COPIER,
    CorpusError,
    Role,
    cast,
    copies,
    standard_library_corpus,
    wrong_answers,
)
from runtime.wire.rows import Row

ROWS = tuple(Row(f"What does f{n} do?", f"Return the {n} and more.") for n in range(6))


def test_the_default_corpus_is_large_and_varied():
    """The standard library's half gives at least 1,500 rows by at least 12 contributors."""
    corpus = standard_library_corpus()
    assert corpus.row_count() >= 1_500
    assert len(corpus.contributions) >= 12
    assert corpus.contributions[-2].name == COPIER


def test_the_cast_is_the_same_every_time():
    """The same rows make the same corpus: the demo can be repeated."""
    assert standard_library_corpus() == standard_library_corpus()


def test_a_copy_keeps_prompts_and_edits_every_other_row():
    """A copier's rows repeat the prompts; half of the completions are edited, none invented."""
    copied = copies(ROWS, random.Random(1))
    assert [row.prompt for row in copied] == [row.prompt for row in ROWS]
    assert sum(mine == theirs for mine, theirs in zip(copied, ROWS, strict=True)) == 3


def test_wrong_answers_are_somebody_elses():
    """No careless row keeps its own completion, and no completion is invented."""
    wrong = wrong_answers(ROWS, random.Random(1))
    assert all(mine.completion != right.completion for mine, right in zip(wrong, ROWS, strict=True))
    assert {row.completion for row in wrong} == {row.completion for row in ROWS}


def test_the_careless_contributor_replaces_an_honest_one():
    """No prompt is answered twice: the careless one answers a module that nobody else answers."""
    corpus = cast("test", "CC0", {"a": ROWS, "b": ROWS[:4], "c": ROWS[:2]})
    roles = {item.name: item.role for item in corpus.contributions}
    assert roles == {
        "a": Role.HONEST,
        "b": Role.HONEST,
        "copycat": Role.COPIER,
        "careless": Role.CARELESS,
    }
    assert corpus.copied == "b"


def test_one_contributor_is_not_enough():
    """A single contributor leaves nobody to compare with: a clear error with its remedy."""
    with pytest.raises(CorpusError, match="--contributor"):
        cast("test", "CC0", {"a": ROWS})
