"""The identity of a model directory."""

import pytest

from ml.errors import ModelUnusable
from ml.manifest import FILES_MAX, manifest_of
from runtime.hashing import hash_content


def test_files_are_listed_by_name_with_the_content_hash(tmp_path):
    """The manifest is sorted by name and holds `hash_content` and the size of every file."""
    (tmp_path / "b.bin").write_bytes(b"two" * 100_000)
    (tmp_path / "a.json").write_bytes(b"{}")
    files = manifest_of(tmp_path).files
    assert [file.name for file in files] == ["a.json", "b.bin"]
    assert files[0].content_hash == hash_content(b"{}")
    assert files[1].content_hash == hash_content(b"two" * 100_000)
    assert files[1].size_bytes == 300_000


def test_hidden_files_and_subdirectories_are_not_part_of_a_model(tmp_path):
    """Caches beside the model's files do not change its identity; its files do."""
    (tmp_path / "config.json").write_text("{}")
    before = manifest_of(tmp_path).hash()
    (tmp_path / ".cache").write_text("x")
    (tmp_path / "onnx").mkdir()
    assert manifest_of(tmp_path).hash() == before
    (tmp_path / "config.json").write_text("{ }")
    assert manifest_of(tmp_path).hash() != before


@pytest.mark.parametrize("case", ["missing", "file", "empty", "crowded", "long"])
def test_what_is_no_model_directory_is_refused(tmp_path, case):
    """A missing path, a file, no files, too many files and a too long name each have a remedy."""
    directory = tmp_path / "model"
    if case == "file":
        directory.write_text("x")
    elif case != "missing":
        directory.mkdir()
    if case == "crowded":
        for number in range(FILES_MAX + 1):
            (directory / str(number)).touch()
    if case == "long":
        (directory / ("n" * 65)).touch()
    with pytest.raises(ModelUnusable) as caught:
        manifest_of(directory)
    assert caught.value.remedy
