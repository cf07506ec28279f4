"""Every error of `ml/`; the tree on top.

OpenLedgerError
 `- MachineLearningError
     |- TableError                  a table of rows cannot be read
     |   |- TableMissing            there is no such file, or it is a directory
     |   |- TableUnreadable         not the format, compression or encoding it claims to be
     |   |- TableTooLarge           more bytes or rows than one table may have
     |   |- TableEmpty              no row in it
     |   |- ColumnMissing           a mapped column is not in the table
     |   `- CellInvalid             a value is missing, not a text, or too long
     |- ReviewTooLarge               more rows than one review may have
     |- ModelUnusable               a directory is not a base model or an adapter that we can run
     |- BundleUnreadable            a file is not a bundle of a training job
     |- OrderInvalid                a work order, its parameters or its rows contradict each other
     |- MachineUnfit                this machine does not compute as the golden run does
     `- AttributionInvalid          influence was asked for what cannot be attributed
"""

from __future__ import annotations

from runtime.errors import OpenLedgerError


class MachineLearningError(OpenLedgerError):
    """The root of the errors of `ml/`."""


class TableError(MachineLearningError):
    """A table of rows cannot be read."""


class TableMissing(TableError):
    """There is no such file, or the path is a directory."""


class TableUnreadable(TableError):
    """The file is not of the format, compression or encoding that its name claims."""


class TableTooLarge(TableError):
    """The table has more bytes or rows than one upload may have."""


class TableEmpty(TableError):
    """The table has no row."""


class ColumnMissing(TableError):
    """A column that the mapping names is not in the table."""


class CellInvalid(TableError):
    """A value is missing, is not a text, or is too long."""


class ReviewTooLarge(MachineLearningError):
    """More rows than one review may have."""


class ModelUnusable(MachineLearningError):
    """A directory does not hold a base model or an adapter that we can run."""


class BundleUnreadable(MachineLearningError):
    """A file is not a bundle of a training job, or its parts contradict each other."""


class OrderInvalid(MachineLearningError):
    """A training order, its parameters and its rows contradict each other."""


class MachineUnfit(MachineLearningError):
    """This machine does not compute what the golden run pins: it must refuse work."""


class AttributionInvalid(MachineLearningError):
    """Influence was asked for rows or answers that cannot be attributed."""
