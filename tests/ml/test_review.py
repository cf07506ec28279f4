"""The published validator: what it accepts, what it calls a copy, and what it rejects."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.standard_library import Half, documentation_rows
from ml.data import review as review_module
from ml.data.questions import QuestionTable
from ml.data.review import Submission, review
from ml.data.similarity import fingerprint_of, is_duplicate, normalised, words
from ml.errors import ReviewTooLarge
from runtime.codec import codec_of
from runtime.merkle import list_root
from runtime.wire.rows import Row, RowRecord, Verdict

ADA, BOB = b"\x01" * 32, b"\x02" * 32
SEED = 2**255 + 12345
FILLERS = ("useful", "value", "given", "object", "often", "result", "simple", "system")
LOADS = Row("What does json.loads do?", "Deserialize a str instance containing a JSON document.")
DUMPS = Row("What does json.dumps do?", "Serialize an object to a JSON formatted str.")


def replace_word(rng: random.Random, text: str, *, keep_names: bool) -> str:
    parts = text.split()
    places = [n for n, part in enumerate(parts) if not (keep_names and "." in part[:-1])]
    parts[rng.choice(places or [0])] = rng.choice(FILLERS)
    return " ".join(parts)


EDITS = {
    "exact": lambda _, row: row,
    "case": lambda _, row: Row(row.prompt.upper(), row.completion.title()),
    "punctuation": lambda _, row: Row(row.prompt.replace("?", " ?!"), row.completion[:-1] + " !"),
    "prefix": lambda _, row: Row(f"Please tell me: {row.prompt}", f"In Python: {row.completion}"),
    "cut": lambda _, row: Row(row.prompt, row.completion[: len(row.completion) * 2 // 3]),
    "answer word": lambda rng, row: Row(
        row.prompt, replace_word(rng, row.completion, keep_names=False)
    ),
    "question word": lambda rng, row: Row(
        replace_word(rng, row.prompt, keep_names=True), row.completion
    ),
    "both": lambda rng, row: Row(
        replace_word(rng, row.prompt, keep_names=True),
        replace_word(rng, row.completion, keep_names=False),
    ),
}
RECALL_MIN = {
    "exact": 1.0,
    "case": 0.999,
    "punctuation": 0.999,
    "prefix": 0.999,
    "cut": 0.999,
    "answer word": 0.97,
    "question word": 0.85,
    "both": 0.8,
}


@pytest.fixture(scope="module")
def documentation() -> tuple[Row, ...]:
    return tuple(Row(row.prompt, row.completion) for row in documentation_rows(Half.DEMO))


def of_owner(found, owner_submission: int) -> list[Verdict]:
    return [item.verdict for item in found.verdicts if item.submission == owner_submission]


def test_precision_and_recall_on_documentation(documentation):
    """No honest row of the documentation is marked; edited copies are found at the stated rates."""
    rng = random.Random(7)
    originals = rng.sample(documentation, len(documentation))
    share = len(originals) // len(EDITS)
    submissions = [Submission(0, ADA, documentation)]
    # Every edit has originals of its own: an overlooked copy must not help to find the next one.
    for number, edit in enumerate(EDITS.values()):
        part = originals[number * share : (number + 1) * share]
        submissions.append(Submission(number + 1, BOB, tuple(edit(rng, row) for row in part)))
    honest, *copies = review(submissions, SEED).counts()
    recall = {name: found.duplicate / share for name, found in zip(EDITS, copies, strict=True)}
    marked = f"{honest.duplicate} of {len(documentation)} honest rows marked"
    print(marked, {name: f"{rate:.3f}" for name, rate in recall.items()})  # noqa: T201 # with -rP
    assert honest.duplicate <= len(documentation) // 1000
    assert {name: rate for name, rate in recall.items() if rate < RECALL_MIN[name]} == {}


def test_three_thousand_rows_take_less_than_ten_seconds(documentation):
    """The review of a Datanet of the demo's size is quick."""
    rows = (*documentation, *documentation)[:3000]
    start = time.process_time()
    review([Submission(0, ADA, rows)], SEED)
    assert time.process_time() - start < 10


def test_sibling_functions_are_not_copies():
    """The same text about differently named things is two contributions."""
    siblings = (
        Row("What does gc.set_debug do?", "Set the garbage collection debugging flags."),
        Row("What does gc.get_debug do?", "Get the garbage collection debugging flags."),
        Row("What does queue.Queue.task_done do?", "Indicate that an enqueued task is complete."),
        Row("What does asyncio.Queue.task_done do?", "Indicate that an enqueued task is complete."),
        Row("What does bz2.compress do?", "Compress a block of data."),
        Row("What does bz2.decompress do?", "Decompress a block of data."),
    )
    assert set(of_owner(review([Submission(0, ADA, siblings)], SEED), 0)) == {Verdict.ACCEPTED}


def test_another_answer_to_the_same_question_is_no_copy():
    """Answering in one's own words is contributing."""
    other = Row(LOADS.prompt, "It parses text such as '[1, 2]' into Python lists and dicts.")
    found = review([Submission(0, ADA, (LOADS,)), Submission(1, BOB, (other,))], SEED)
    assert of_owner(found, 1) == [Verdict.ACCEPTED]


def test_a_duplicate_joins_the_class_of_the_first_committed_row():
    """A copy names the original, by submission and index, whoever made it; it gets no record."""
    edited = Row(LOADS.prompt.lower(), f"Note: {LOADS.completion}")
    found = review([Submission(4, ADA, (DUMPS, LOADS)), Submission(9, BOB, (edited, edited))], SEED)
    assert of_owner(found, 9) == [Verdict.DUPLICATE, Verdict.DUPLICATE]
    assert [(item.class_submission, item.class_index) for item in found.verdicts] == [
        (4, 0),
        (4, 1),
        (4, 1),
        (4, 1),
    ]
    assert found.records == (
        RowRecord(DUMPS.hash(), ADA, 4, 0),
        RowRecord(LOADS.hash(), ADA, 4, 1),
    )


def test_the_order_of_commitment_decides_who_is_the_copier():
    """With the submissions in the other order, the other owner is credited."""
    edited = Row(LOADS.prompt, LOADS.completion.upper())
    first = review([Submission(0, ADA, (LOADS,)), Submission(1, BOB, (edited,))], SEED)
    second = review([Submission(1, BOB, (edited,)), Submission(2, ADA, (LOADS,))], SEED)
    assert [record.owner for record in first.records] == [ADA]
    assert [record.owner for record in second.records] == [BOB]


@pytest.mark.parametrize(
    ("row", "words_of_reason"),
    [
        (Row("", "An answer."), "no letter"),
        (Row("What?", " ... "), "no letter"),
        (Row("The same.", " The same."), "repeats the prompt"),
        (Row("A bell?", "Rings \x07 once."), "cannot be printed"),
        (Row("Long?", "a" * 65_530), "longer than"),
    ],
)
def test_rows_that_cannot_be_trained_on_are_rejected(row, words_of_reason):
    """A rejected row has a reason, is its own class, and has no record."""
    found = review([Submission(0, ADA, (row, LOADS))], SEED)
    assert of_owner(found, 0) == [Verdict.REJECTED, Verdict.ACCEPTED]
    assert words_of_reason in found.verdicts[0].reason
    assert len(found.records) == 1


def test_line_breaks_and_other_scripts_are_accepted():
    """Rows in any language, over several lines, are as good as others."""
    rows = (Row("¿Qué es?", "Una línea\n\ty otra."), Row("何ですか？", "これは本です。"))  # noqa: RUF001 # Japanese writes its question mark so
    assert set(of_owner(review([Submission(0, ADA, rows)], SEED), 0)) == {Verdict.ACCEPTED}


def test_counts_and_roots_follow_the_verdicts():
    """What goes on chain: verdicts counted by submission, and the two roots."""
    found = review(
        [Submission(3, ADA, (LOADS, DUMPS, LOADS)), Submission(5, BOB, (Row("?", "?"),))], SEED
    )
    counts = [(c.submission, c.accepted, c.duplicate, c.rejected) for c in found.counts()]
    assert counts == [(3, 2, 1, 0), (5, 0, 0, 1)]
    assert found.rows_root() == list_root([record.encode() for record in found.records])
    assert found.verdicts_root() == list_root([item.encode() for item in found.verdicts])
    codec = codec_of(review_module.RowVerdict)
    assert codec.decode(found.verdicts[2].encode()) == found.verdicts[2]


def test_too_many_rows_are_refused(monkeypatch):
    """A review has a limit, and says so."""
    monkeypatch.setattr(review_module, "ROWS_MAX", 1)
    with pytest.raises(ReviewTooLarge, match="2 rows"):
        review([Submission(0, ADA, (LOADS, DUMPS))], SEED)


TEXTS = st.text(alphabet="ab .?Z", min_size=1, max_size=12)
ROWS = st.lists(st.builds(Row, TEXTS, TEXTS), max_size=12).map(tuple)


@settings(deadline=None, max_examples=60)
@given(ada=ROWS, bob=ROWS, seed=st.integers(0, 2**256))
def test_a_review_is_complete_and_its_classes_are_sound(ada, bob, seed):
    """Each row has one verdict; classes are led by accepted rows that come no later; it repeats."""
    submissions = [Submission(0, ADA, ada), Submission(1, BOB, bob)]
    found = review(submissions, seed)
    assert review(submissions, seed) == found
    places = [(item.submission, item.index) for item in found.verdicts]
    assert places == [(0, n) for n in range(len(ada))] + [(1, n) for n in range(len(bob))]
    accepted = [(r.submission, r.index) for r in found.records]
    for item in found.verdicts:
        leader = (item.class_submission, item.class_index)
        own = (item.submission, item.index)
        if item.verdict is Verdict.DUPLICATE:
            assert leader in accepted
            assert leader < own
        else:
            assert leader == own
            assert (own in accepted) == (item.verdict is Verdict.ACCEPTED)


@settings(deadline=None, max_examples=100)
@given(one=st.builds(Row, TEXTS, TEXTS), other=st.builds(Row, TEXTS, TEXTS))
def test_similarity_is_symmetric_and_reflexive(one, other):
    """Which of two rows comes first decides who is credited, not whether they are duplicates."""
    first, second = fingerprint_of(one), fingerprint_of(other)
    table = QuestionTable()
    for each in (first, second):
        table.add(each.question_words, each.answer_text)
    weights = table.weights()
    assert is_duplicate(first, second, weights) == is_duplicate(second, first, weights)
    assert is_duplicate(first, first, weights)


def test_normal_forms():
    """Case, punctuation, width and spacing do not count; names with dots are one word."""
    assert normalised("  The １st, VALUE_of\tx!") == "the 1st value of x"  # noqa: RUF001 # a wide digit
    assert words('Does "json.loads" (do)?') == {"does", "json.loads", "do"}
