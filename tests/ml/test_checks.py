"""The checks of single rows: personal data, language, shape, schema; each has reason and remedy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.data.findings import REASONS, Finding
from ml.data.language import detected
from ml.data.personal import personal_data
from ml.data.review import Submission, review
from ml.data.words import SLURS
from runtime.wire.datanets import DIALOGUE, MEDIA_TYPE, Column, Schema
from runtime.wire.rows import Row, Verdict

OWNER = bytes(32)
TEXT = Schema(MEDIA_TYPE, (Column("text", 10, 400),), ())
ENGLISH = replace(DIALOGUE, languages=("en",))
GERMAN = "Kopfschmerzen entstehen häufig durch Stress, Schlafmangel oder zu wenig Flüssigkeit."


def finding_of(row, schema=DIALOGUE):
    (verdict,) = review([Submission(0, OWNER, (row,))], 0, schema).verdicts
    assert (verdict.verdict is Verdict.REJECTED) == (verdict.finding is not Finding.ACCEPTED)
    return verdict.finding


def answer(text, schema=DIALOGUE):
    return finding_of(Row("What is it?", text), schema)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to jane.doe@example.org today.", Finding.E_MAIL),
        ("Write to info@example.org today.", None),
        ("Ring (312) 555-0143 after six.", Finding.PHONE),
        ("Ring +49 171 5550 1234 after six.", Finding.PHONE),
        ("Ring 1-800-422-6237, it is free.", None),
        ("From 1990-1994 to 2001-2002, in 312 of 555 cases.", None),
        ("The card is 4111 1111 1111 1111.", Finding.CARD),
        ("The number is 4111 1111 1111 1112.", None),
        ("Pay to DE89 3704 0044 0532 0130 00.", Finding.BANK_ACCOUNT),
        ("Pay to DE88 3704 0044 0532 0130 00.", None),
    ],
)
def test_personal_data_is_found_and_offices_are_not(text, expected):
    """Patterns propose, check digits decide; toll-free numbers and offices are nobody's own."""
    assert personal_data(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spam " * 60, Finding.REPETITIVE),
        ("a" * 80, Finding.REPETITIVE),
        ("#$%&/()=?!" * 6 + " word", Finding.NOT_LANGUAGE),
        (f"He is a {min(SLURS)}, they said.", Finding.SLUR),
        ("It is known that all women are irrational, of course.", Finding.GENERALISATION),
        ("In all, women are half of the patients.", Finding.ACCEPTED),
    ],
)
def test_what_nobody_should_train_on(text, expected):
    """Outliers, slurs and claims about whole groups are rejected, and plain text is not."""
    assert answer(text) is expected


def test_the_schema_bounds_the_columns():
    """Too short, too long, and a prompt where there is no column for one."""
    assert finding_of(Row("", "Too short"), TEXT) is Finding.TOO_SHORT
    assert finding_of(Row("", "Long enough to be a text."), TEXT) is Finding.ACCEPTED
    assert finding_of(Row("", "word and word " * 50), TEXT) is Finding.TOO_LONG
    assert finding_of(Row("Why?", "Long enough to be a text."), TEXT) is Finding.TOO_LONG


def test_the_language_is_the_schemas():
    """A German row is foreign in an English Datanet and at home in any other."""
    assert detected(GERMAN) == "de"
    assert answer(GERMAN, ENGLISH) is Finding.FOREIGN
    assert answer(GERMAN) is Finding.ACCEPTED
    assert answer(GERMAN, replace(DIALOGUE, languages=("de", "en"))) is Finding.ACCEPTED
    assert answer("Adiposis dolorosa, lipoma, Dercum.", ENGLISH) is Finding.ACCEPTED


def test_rows_of_plain_text_are_compared_as_such():
    """Without a question, the texts alone say what is a copy."""
    text = "The quick brown fox jumps over the lazy dog near the old river bank."
    other = "Clouds gather above the valley while farmers bring in the last of the hay."
    rows = (Row("", text), Row("", text.replace("quick", "fast")), Row("", other))
    found = review([Submission(0, OWNER, rows)], 7, TEXT)
    names = [each.verdict.name for each in found.verdicts]
    assert names == ["ACCEPTED", "DUPLICATE", "ACCEPTED"]


def test_every_finding_has_a_reason_and_a_remedy():
    """Contributors are told what to do; only an accepted row needs nothing."""
    assert list(REASONS) == list(Finding)
    assert all(reason and remedy for reason, remedy in list(REASONS.values())[1:])


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_breaks_the_checks(prompt, completion):
    """Whatever is uploaded gets a verdict."""
    rows = (
        Row(prompt.encode(errors="ignore").decode(), completion.encode(errors="ignore").decode()),
    )
    assert len(review([Submission(0, OWNER, rows)], 1, ENGLISH).verdicts) == 1
