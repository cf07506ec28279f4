"""The wallet: encrypted keys on this machine, unlocked for one browser and for a while.

A key that is unlocked is in this process's memory, under the session of the browser that gave the
password: another browser, or another user of this machine, has to give it, too.  Pages get names
and accounts, never keys.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from genesis.chain_spec import DEV_ACCOUNTS, LOCAL_VALIDATORS, development_keypair
from node.keystore import Keystore, seed_of_words, seed_words, unlock_file
from runtime.keys import Keypair
from studio.errors import WalletLocked

UNLOCKED_S = 15 * 60
"""How long a key stays unlocked after it was last used."""
SESSIONS_MAX = 64
DEVELOPMENT_PREFIX = "dev:"


@dataclass(frozen=True, slots=True)
class WalletKey:
    """A key as pages may see it."""

    name: str
    """As the command line has it: a name in the keystore, or `dev:NAME`."""
    account: str
    is_development: bool
    is_unlocked: bool


@dataclass(slots=True)
class _Unlocked:
    keypair: Keypair
    used_at: float


class Wallet:
    """The keystore of this machine, and what each browser has unlocked of it."""

    def __init__(self, keystore: Keystore, now: Callable[[], float] = time.monotonic) -> None:
        self._keystore = keystore
        self._now = now
        self._sessions: dict[str, dict[str, _Unlocked]] = {}
        self._chosen: dict[str, str] = {}
        self.has_development_keys = False
        """Whether the chain is one whose development keys everybody knows."""

    def keys(self, session: str) -> list[WalletKey]:
        """All keys; those of a development chain need no password."""
        unlocked = self._current(session)
        kept = [
            WalletKey(
                each.name,
                each.account.hex(),
                is_development=False,
                is_unlocked=each.name in unlocked,
            )
            for each in self._keystore.entries()
        ]
        return kept + (_development_keys() if self.has_development_keys else [])

    def chosen(self, session: str) -> WalletKey | None:
        """The key that this browser acts as: the one it chose, or else the first."""
        keys = self.keys(session)
        by_name = {each.name: each for each in keys}
        wanted = self._chosen.get(session, f"{DEVELOPMENT_PREFIX}user")
        return by_name.get(wanted) or (keys[0] if keys else None)

    def choose(self, session: str, name: str) -> None:
        """Act as another key from now on."""
        self._remember(session)
        self._chosen[session] = name

    def unlock(self, session: str, name: str, password: str) -> None:
        """Open a key for a browser; raises `KeystoreError`.  Slow on purpose: not in the loop."""
        keypair = unlock_file(self._keystore.path(name), password)
        self._remember(session)
        self._sessions[session][name] = _Unlocked(keypair, self._now())

    def lock(self, session: str) -> None:
        """Forget all keys of a browser."""
        self._sessions.pop(session, None)

    def create(self, name: str, password: str) -> str:
        """Make a key and return its 24 words, to be written down; raises `KeystoreError`."""
        self._keystore.new(name, password)
        return seed_words(self._keystore.export(name, password))

    def take_words(self, name: str, password: str, words: str) -> None:
        """Keep the key of 24 words; raises `KeystoreError`."""
        self._keystore.keep(name, password, seed_of_words(words))

    def keypair(self, session: str, name: str) -> Keypair:
        """The key to sign with; raises `WalletLocked`."""
        if name.startswith(DEVELOPMENT_PREFIX) and self.has_development_keys:
            return development_keypair(name.removeprefix(DEVELOPMENT_PREFIX))
        opened = self._current(session).get(name)
        if opened is None:
            message = f"The key {name!r} is locked."
            raise WalletLocked(message, remedy="Unlock it with its password.")
        opened.used_at = self._now()
        return opened.keypair

    def _current(self, session: str) -> dict[str, _Unlocked]:
        """What a browser has unlocked and used lately."""
        oldest = self._now() - UNLOCKED_S
        opened = self._sessions.get(session, {})
        for name in [name for name, each in opened.items() if each.used_at < oldest]:
            del opened[name]
        return opened

    def _remember(self, session: str) -> None:
        if session not in self._sessions and len(self._sessions) >= SESSIONS_MAX:
            gone = next(iter(self._sessions))
            self._sessions.pop(gone)
            self._chosen.pop(gone, None)
        self._sessions.setdefault(session, {})


def _development_keys() -> list[WalletKey]:
    names = [*DEV_ACCOUNTS, *LOCAL_VALIDATORS[1:4]]
    return [
        WalletKey(
            DEVELOPMENT_PREFIX + name,
            development_keypair(name).account.hex(),
            is_development=True,
            is_unlocked=True,
        )
        for name in names
    ]
