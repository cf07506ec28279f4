"""The worker's file of influence on single answers."""

from pathlib import Path

import numpy as np
import pytest

from node.errors import NotFound
from node.workers.influence_file import influence_path, read_influence, write_influence


def test_every_answer_gets_its_column_back(tmp_path: Path):
    """What was written under a receipt's hash is read under it, in the same order of rows."""
    influence = np.arange(6, dtype=np.float64).reshape(3, 2)
    path = influence_path(tmp_path, b"\x01" * 32, 4)
    write_influence(path, [b"a" * 32, b"b" * 32], influence)
    columns = read_influence(path)
    assert set(columns) == {b"a" * 32, b"b" * 32}
    assert columns[b"b" * 32].tolist() == [1.0, 3.0, 5.0]


@pytest.mark.parametrize("content", [None, b"", b"not safetensors"])
def test_a_missing_or_damaged_file_is_a_clear_error(tmp_path: Path, content: bytes | None):
    """No file, an empty one and a foreign one give the same typed error with a remedy."""
    path = tmp_path / "x.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NotFound, match="attribute it again"):
        read_influence(path)
