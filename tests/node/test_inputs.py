"""The user's own tables become a corpus."""

import json
from pathlib import Path

import pytest

from ml.errors import TableError
from node.demo.inputs import COMPLETION_CHARACTERS_MAX, capped, load_corpus, shortened
from node.demo.settings import DemoSettings, fresh_directory
from node.errors import ConfigError
from runtime.wire.rows import Row


def settings(folder: Path, data: Path, **columns: str) -> DemoSettings:
    chosen = {
        "prompt": "prompt",
        "completion": "completion",
        "contributor": "contributor",
    } | columns
    return DemoSettings(folder, data, **chosen, base_model=None, port=None, full=False)


def test_a_table_with_named_columns_becomes_a_corpus(tmp_path: Path):
    """Rows are grouped by the contributor column, and the cast is added."""
    data = tmp_path / "t.jsonl"
    lines = [{"q": f"Q{n}?", "a": f"A {n}.", "who": "x" if n < 6 else "y"} for n in range(10)]
    data.write_text("\n".join(map(json.dumps, lines)))
    corpus = load_corpus(settings(tmp_path, data, prompt="q", completion="a", contributor="who"))
    assert [each.name for each in corpus.contributions] == ["x", "copycat", "careless"]
    assert corpus.title == "t.jsonl"


def test_medquad_is_recognised_by_its_columns(tmp_path: Path):
    """MedQuAD needs no options: half of it, contributors by source and kind of question."""
    data = tmp_path / "m.jsonl"
    rows = [
        {
            "question": f"What is disease {n}?",
            "answer": f"It is number {n}.",
            "qtype": "information" if n % 2 else "causes",
            "focus": f"Disease {n}",
            "source": "CDC",
        }
        for n in range(400)
    ]
    data.write_text("\n".join(map(json.dumps, rows)))
    corpus = load_corpus(settings(tmp_path, data))
    assert corpus.title == "MedQuAD"
    assert corpus.contributions[0].name in {"CDC causes", "CDC information"}
    assert 150 < sum(len(each.rows) for each in corpus.contributions[:-1]) < 400


def test_long_answers_end_with_a_sentence():
    """A cut falls behind a sentence, or behind a word when there is no sentence."""
    sentence = "This is a sentence of some length. "
    cut = shortened(Row("Q", sentence * 40)).completion
    assert cut.endswith("length.")
    assert len(cut) <= COMPLETION_CHARACTERS_MAX
    assert len(shortened(Row("Q", "word " * 200)).completion) <= COMPLETION_CHARACTERS_MAX
    assert shortened(Row("Q", "Short  text.")).completion == "Short text."


def test_the_cap_cuts_the_longest_lists_first():
    """At most 3,000 rows stay; a small contributor keeps all of theirs."""
    honest = {"large": [Row(str(n), "x") for n in range(5_000)], "small": [Row("s", "y")] * 40}
    result = capped(honest, full=False)
    assert sum(map(len, result.values())) <= 3_000
    assert len(result["small"]) == 40
    assert capped(honest, full=True) == honest


@pytest.mark.parametrize("name", ["missing.csv", "folder", "empty.jsonl", "latin.csv"])
def test_bad_tables_are_refused_in_a_sentence(tmp_path: Path, name: str):
    """A missing file, a directory, an empty file and one that is not UTF-8: a remedy each."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "latin.csv").write_bytes("prompt,completion,contributor\nä,b,c\n".encode("latin-1"))
    with pytest.raises(TableError) as caught:
        load_corpus(settings(tmp_path, tmp_path / name))
    assert caught.value.remedy


def test_a_demo_folder_is_locked_and_emptied(tmp_path: Path):
    """A second demo in the same folder is refused; a later one starts empty."""
    folder = tmp_path / "demo"
    with fresh_directory(folder):
        (folder / "node").mkdir()
        with pytest.raises(ConfigError, match="Another process"), fresh_directory(folder):
            pass
    with fresh_directory(folder):
        assert [entry.name for entry in folder.iterdir()] == ["lock"]


def test_a_folder_of_other_files_is_never_emptied(tmp_path: Path):
    """Somebody's documents are not a demo's folder."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ConfigError, match="other files"), fresh_directory(tmp_path):
        pass
    assert (tmp_path / "thesis.tex").exists()
