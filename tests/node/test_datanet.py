"""The demo's curator."""

import pytest

from node.demo.corpus import CorpusError
from node.demo.datanet import ROWS_ACCEPTED_MIN, require_enough


def test_a_file_of_duplicates_is_refused_in_a_sentence():
    """Too few different rows are an error with its remedy, not a job that no worker takes."""
    require_enough(ROWS_ACCEPTED_MIN, 1_000)
    with pytest.raises(CorpusError, match="different rows"):
        require_enough(ROWS_ACCEPTED_MIN - 1, 1_000)
