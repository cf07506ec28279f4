"""`Studio`: what every page has: the chain, the wallet, names, settings."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup
from nicegui import app

from node.keystore import Keystore
from studio.answers import Answers
from studio.chain import datanets
from studio.chain.chain import Chain
from studio.chain.contents import Contents
from studio.chain.sender import Sender
from studio.citations import Library
from studio.curves import Curves
from studio.names import DEVELOPMENT_CHAIN, Names
from studio.parts import values
from studio.serving import Server
from studio.settings import Settings
from studio.wallet import Wallet

LIBRARIES_MAX = 4


@dataclass(slots=True)
class Studio:
    """One running Studio; for one event loop."""

    settings: Settings
    chain: Chain = field(init=False)
    names: Names = field(init=False)
    wallet: Wallet = field(init=False)
    sender: Sender = field(init=False)
    contents: Contents = field(init=False)
    server: Server = field(init=False)
    answers: Answers = field(init=False)
    curves: Curves = field(init=False)
    libraries: dict[bytes, Library] = field(default_factory=dict)
    """The rows of Datanet versions by their Merkle root, indexed; a few."""
    _named_for: str = ""

    def __post_init__(self) -> None:
        """Prepare everything; nothing is opened yet."""
        keystore = Keystore(self.settings.keys)
        self.chain = Chain(self.settings.node, self.settings.data)
        self.names = Names(self.settings.data / "contacts.json", keystore)
        self.wallet = Wallet(keystore)
        self.sender = Sender(self.chain)
        self.contents = Contents(self.sender)
        self.server = Server(self.settings)
        self.curves = Curves(self.settings.work)
        self.answers = Answers(
            lambda: self.settings.data / f"answers-{self.chain.genesis_hash.hex()[:16]}.json"
        )

    def start(self) -> None:
        """Connect to everything."""
        self.chain.start()
        self.curves.start()

    async def close(self) -> None:
        """Let go of everything."""
        await self.chain.close()
        await self.curves.close()
        await self.server.close()
        self.sender.close()

    async def library(self, number: int, version: Any) -> Library:
        """The rows of a Datanet version, indexed; raises `ContentMissing`."""
        known = self.libraries.get(version.rows_root)
        if known is None:
            entries = await datanets.submissions(self.chain.state, number)
            accepted = await datanets.records(self.contents, version)
            rows = await datanets.rows_of(self.contents, entries, accepted)
            known = await asyncio.to_thread(Library, rows)
            if len(self.libraries) >= LIBRARIES_MAX:
                self.libraries.pop(next(iter(self.libraries)))
            self.libraries[version.rows_root] = known
        return known

    def account(self, digits: str) -> Markup:
        """An account as pages show it."""
        return values.account(digits, self.names.of(digits))

    def session(self) -> str:
        """Which browser asks."""
        return str(app.storage.browser["id"])

    async def unlock(self, session: str, name: str, password: str) -> None:
        """Open a key for a browser; raises `KeystoreError`."""
        # The password is stretched for about a second: no other page waits for it.
        await asyncio.to_thread(self.wallet.unlock, session, name, password)

    def refresh_names(self) -> None:
        """Read the names for the chain that the node has, once."""
        if self._named_for != self.chain.name:
            self._named_for = self.chain.name
            self.wallet.has_development_keys = self.chain.name == DEVELOPMENT_CHAIN
            self.names.load(self.chain.name, self.chain.state.pallets)
