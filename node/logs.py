"""Logs: one line of key=value pairs an event, to stderr or to a file."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast

import structlog

from node.errors import ConfigError

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logs(level: str, file: Path | None = None) -> None:
    """Send this process's logs of `level` and above to `file`, or to stderr."""
    if level not in LEVELS:
        remedy = f"Choose one of {', '.join(LEVELS)}."
        raise ConfigError(f"There is no log level {level!r}.", remedy=remedy)
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(
                key_order=["time", "level", "event"], drop_missing=True
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(_open(file)),
    )


def configure_level(level: str) -> None:
    """Log from another of `LEVELS` on, to where it went before."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]))


class _StandardError:
    """stderr as it is when a line is written; a reader that went away does not stop the node."""

    def write(self, text: str) -> None:
        """Write what there is still somebody to read."""
        with suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """Hand it over at once."""
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def _open(file: Path | None) -> TextIO:
    if file is None:
        return cast("TextIO", _StandardError())
    try:
        # Line buffered, and open as long as the process: the last line before a crash is there.
        return file.open("a", buffering=1)
    except OSError as error:
        message = f"The log file {file} cannot be written: {error.strerror}."
        raise ConfigError(message, remedy="Choose a file that this user may write.") from error
