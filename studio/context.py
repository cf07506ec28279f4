"""`Studio`: what every page has: the chain, the wallet, names, settings."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from markupsafe import Markup
from nicegui import app

from node.keystore import Keystore
from studio.chain.chain import Chain
from studio.chain.sender import Sender
from studio.names import DEVELOPMENT_CHAIN, Names
from studio.parts import values
from studio.settings import Settings
from studio.wallet import Wallet


@dataclass(slots=True)
class Studio:
    """One running Studio; for one event loop."""

    settings: Settings
    chain: Chain = field(init=False)
    names: Names = field(init=False)
    wallet: Wallet = field(init=False)
    sender: Sender = field(init=False)
    _named_for: str = ""

    def __post_init__(self) -> None:
        """Prepare everything; nothing is opened yet."""
        keystore = Keystore(self.settings.keys)
        self.chain = Chain(self.settings.node, self.settings.data)
        self.names = Names(self.settings.data / "contacts.json", keystore)
        self.wallet = Wallet(keystore)
        self.sender = Sender(self.chain)

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
