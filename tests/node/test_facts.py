"""Which facts are asked, and who they are attributed to."""

import random

import numpy as np

from node.demo.corpus import cast
from node.demo.facts import careless_rank, choose_facts, first_contributor, top_sources
from runtime.wire.records import ScoreLeaf
from runtime.wire.rows import Row


def rows(name: str, count: int) -> tuple[Row, ...]:
    return tuple(
        Row(f"What does {name}.f{n} do?", f"It is number {n} of {name}.") for n in range(count)
    )


CORPUS = cast("test", "CC0", {"a": rows("a", 9), "b": rows("b", 7), "c": rows("c", 5)})
TRAINED = {row.hash() for each in CORPUS.contributions for row in each.rows}


def test_facts_are_balanced_over_honest_contributors():
    """Every honest contributor is asked about as often as any other, as long as rows last."""
    facts = choose_facts(CORPUS, TRAINED, count=6)
    assert [fact.contributor for fact in facts].count("a") == 3
    assert {fact.contributor for fact in facts} == {"a", "b"}
    assert len({fact.question for fact in facts}) == 6


def test_only_trained_rows_are_facts():
    """A row that was not trained on is never asked about, and the search ends without enough."""
    kept = set(random.Random(1).sample(sorted(TRAINED), 4))
    facts = choose_facts(CORPUS, kept, count=30)
    assert len(facts) <= 4
    asked = {fact.question for fact in facts}
    assert asked <= {
        row.prompt for each in CORPUS.contributions for row in each.rows if row.hash() in kept
    }


def test_a_fact_is_attributed_to_the_largest_positive_sum():
    """Harm does not cancel help, and the contributor with the most help is first."""
    scores = np.array([3.0, -9.0, 2.0, 2.5])
    assert first_contributor(scores, ["a", "a", "b", "b"]) == "b"


def test_sources_are_the_rows_with_the_highest_influence():
    """Sources come in falling order of influence, each with its contributor and prompt."""
    all_rows = rows("a", 4)
    leaves = [ScoreLeaf(row.hash(), bytes(32), 0) for row in all_rows]
    sources = top_sources(
        np.array([0.1, 0.4, -0.2, 0.3]), leaves, ["a"] * 4, {row.hash(): row for row in all_rows}
    )
    assert [source.prompt for source in sources] == [all_rows[i].prompt for i in (1, 3, 0)]


def test_the_careless_rank_counts_from_the_most_influential():
    """Rank 1 is the most influential contributor."""
    assert careless_rank({"a": 5, "b": -1, "careless": 2}, "careless") == 2
