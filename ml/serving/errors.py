"""What the serving engine refuses; the tree on top.

MachineLearningError                 the root of `ml/` (`ml.errors`)
 `- ServingError
     |- AdapterMissing               no adapter with this hash is in the folder of adapters
     |- AdapterRefused               the adapter's files are not ones this base model can apply
     |- RequestRefused               a request that this engine cannot answer; names the parameter
     |- QueueFull                    more requests are waiting than the engine keeps
     |- RowDamaged                   a packed adapter is not what was written; it is packed again
     `- EngineStopped                the engine was closed, or failed, before the answer was whole
"""

from __future__ import annotations

from ml.errors import MachineLearningError


class ServingError(MachineLearningError):
    """An error of the serving engine; it concerns one request unless it is `EngineStopped`."""


class AdapterMissing(ServingError):
    """No folder holds an adapter with the wanted manifest hash."""


class AdapterRefused(ServingError):
    """An adapter that cannot be applied; the sentence names the field that is wrong."""


class RequestRefused(ServingError):
    """A request that cannot be answered; `parameter` is the name of what is wrong with it."""

    def __init__(self, message: str, *, remedy: str, parameter: str) -> None:
        """Keep which parameter is wrong."""
        super().__init__(message, remedy=remedy)
        self.parameter = parameter


class QueueFull(ServingError):
    """More requests are waiting, in all or for one adapter, than the engine keeps."""


class RowDamaged(ServingError):
    """A packed adapter is not what was written."""


class EngineStopped(ServingError):
    """The engine was closed, or failed, before the answer was whole."""
