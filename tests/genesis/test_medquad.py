"""MedQuAD's rows, split by topic."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis.medquad import MedquadError, medquad_half, medquad_rows
from genesis.standard_library import Half


def write(path: Path, records: list[dict[str, str]]) -> Path:
    """A file in MedQuAD's format."""
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    return path


def record(focus: str, question: str, answer: str) -> dict[str, str]:
    """One line of the file."""
    return {"focus": focus, "question": question, "answer": answer, "source": "CDC", "qtype": "x"}


def test_a_topic_stays_in_its_half() -> None:
    """The split is a hash of the topic: the same on every machine."""
    assert medquad_half("Stroke") is Half.DEMO
    assert medquad_half("Breast Cancer") is Half.BASE


@given(st.text(st.characters(codec="ascii"), max_size=30))
def test_case_and_spaces_do_not_change_the_half(focus: str) -> None:
    """One topic written in two ways is one topic."""
    assert medquad_half(focus) is medquad_half(f"  {focus.upper()} ")


def test_the_halves_are_disjoint_and_keep_the_order_of_the_file(tmp_path: Path) -> None:
    """Every row is in the half of its topic, and no other."""
    records = [record(f"topic {n}", f"question {n}?", f"answer  {n}.") for n in range(40)]
    path = write(tmp_path / "rows.gz", records)
    base, demo = (medquad_rows(path, half) for half in Half)
    assert {row.focus for row in base}.isdisjoint(row.focus for row in demo)
    assert len(base) + len(demo) == 40
    numbers = [int(row.focus.split()[1]) for row in base]
    assert numbers == sorted(numbers)
    assert base[0].answer == f"answer {numbers[0]}."


def test_base_rows_which_the_demo_half_repeats_are_left_out(tmp_path: Path) -> None:
    """The base model never sees a demo question or answer, not even under another topic."""
    records = [
        record("Stroke", "What is it?", "A stock answer."),
        record("Breast Cancer", "How is it treated?", "A stock answer."),
        record("Breast Cancer", "What is it?", "Another answer."),
        record("Breast Cancer", "Who gets it?", "An answer of its own."),
    ]
    path = write(tmp_path / "rows.gz", records)
    assert [row.answer for row in medquad_rows(path, Half.BASE)] == ["An answer of its own."]
    assert [row.answer for row in medquad_rows(path, Half.DEMO)] == ["A stock answer."]


def test_another_kind_of_file_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """Missing, not gzipped, cut short, not JSON, or without the fields: one typed error."""
    (tmp_path / "plain.gz").write_text("text", encoding="utf-8")
    whole = write(tmp_path / "whole.gz", [record("a", "b", "c")]).read_bytes()
    (tmp_path / "cut.gz").write_bytes(whole[:-12])
    (tmp_path / "words.gz").write_bytes(gzip.compress(b"words\n"))
    (tmp_path / "list.gz").write_bytes(gzip.compress(b"[1]\n"))
    write(tmp_path / "fields.gz", [{"question": "b"}])
    for name in ("missing", "plain.gz", "cut.gz", "words.gz", "list.gz", "fields.gz"):
        with pytest.raises(MedquadError, match=r"Give medquad\.jsonl"):
            medquad_rows(tmp_path / name, Half.BASE)
