"""Credit classes over the versions of several Datanets."""

from ml.attribution.credit import credit_classes
from runtime.offchain import TrainingRow
from runtime.wire.rows import Row, RowRecord

TEXTS = (
    ("What keeps the heart beating?", "The sinus node sends a small electric pulse."),
    ("Which bone is the longest?", "The thigh bone is the longest bone of the body."),
)


def rows_of(*texts):
    rows = [Row(*each) for each in texts]
    return [TrainingRow(row, RowRecord(row.hash(), bytes(32), 0, 0)) for row in rows]


def test_one_version_has_no_copies():
    """Its review has kept them out already."""
    assert credit_classes(rows_of(*TEXTS), (2,)) == (0, 1)


def test_a_copy_in_another_datanet_joins_the_class():
    """The first version that the job names was first."""
    rows = rows_of(
        *TEXTS, TEXTS[1], ("How many teeth has an adult?", "Thirty-two, with wisdom teeth.")
    )
    assert credit_classes(rows, (2, 2)) == (0, 1, 1, 3)
