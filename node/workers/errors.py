"""Why a worker refuses a job or an epoch; the tree on top.

NodeError
 `- WorkerError
     |- JobRefused                   the job's data or models are not what the chain committed to
     |- RunFailed                    the process of a run ended before its result
     |- AnswersIncomplete            servers do not have the answers they were paid for
     `- ServerUnreachable            nothing answers at a server's URL
"""

from __future__ import annotations

from node.errors import NodeError


class WorkerError(NodeError):
    """A piece of work that this worker does not do; the next one is not affected."""


class StopRequested(Exception):
    """The process was asked to stop: no error, and nobody but the loop catches it."""


class JobRefused(WorkerError):
    """The job cannot be trusted or not be done here: it is not claimed."""


class RunFailed(WorkerError):
    """The process that computes ended without a result: killed, out of memory, or broken."""


class AnswersIncomplete(WorkerError):
    """A settled answer is missing, or is not the one that its receipt commits to."""


class ServerUnreachable(WorkerError):
    """No answering server can be asked at its URL."""
