"""How a long-running process begins, and ends: by a signal, or by the error that tells most."""

from __future__ import annotations

import resource
import signal

import structlog
import trio

from runtime.errors import OpenLedgerError

_log = structlog.get_logger("lifetime")


def raise_file_limit() -> None:
    """Let this process have as many files and connections open as the system permits it.

    Many systems begin with 1,024, which `Limits.connections_max` and LevelDB exceed together.
    """
    _, permitted = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (permitted, permitted))


async def stop_on_signal(scope: trio.CancelScope) -> None:
    """Cancel `scope` on the first SIGINT or SIGTERM."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            _log.info("stopping", signal=signal.Signals(number).name)
            scope.cancel()
            return


def cause_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first typed error in a group, or else its first exception."""
    leaves: list[BaseException] = []
    rest: list[BaseException] = [group]
    while rest:
        error = rest.pop(0)
        if isinstance(error, BaseExceptionGroup):
            rest.extend(error.exceptions)
        else:
            leaves.append(error)
    return next((leaf for leaf in leaves if isinstance(leaf, OpenLedgerError)), leaves[0])
