"""What Studio is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from studio.errors import SettingsInvalid

DEFAULT_NODE = "http://127.0.0.1:9944"
DEFAULT_PORT = 8080


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of one run; raises `SettingsInvalid` for URLs that are none."""

    node: str
    """URL of a node's RPC."""
    data: Path
    """Where the index of the chain's blocks is kept; it may be deleted at any time."""
    keys: Path
    """The keystore's folder."""
    port: int = DEFAULT_PORT
    server: str | None = None
    """URL of a server of answers; without one there is no chat."""
    server_data: Path | None = None
    """The folder of a server on this machine: accounts unlocked here may make API keys in it."""
    lesson: Path | None = None
    """Where the first steps note how far they are; None: the chain is not Studio's own."""
    work: Path | None = None
    """The folder of a worker on this machine: its progress and the influence on single answers."""

    def __post_init__(self) -> None:
        """Check the URLs."""
        for url in (self.node, *(() if self.server is None else (self.server,))):
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                message = f"{url!r} is not the URL of a node or a server."
                raise SettingsInvalid(message, remedy="Give http://HOST:PORT.")
