"""Names of accounts: development accounts, keys of this machine, contacts, and pallets' own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from genesis.chain_spec import DEV_ACCOUNTS, LOCAL_VALIDATORS, development_keypair
from node.files import write_atomically
from node.keystore import Keystore
from runtime.keys import pallet_account
from studio.errors import FieldInvalid

DEVELOPMENT_CHAIN = "openledger-dev"
"""The chain whose keys everybody knows."""
CONTACTS_MAX = 10_000
NAME_CHARACTERS_MAX = 48
_ACCOUNT = re.compile("[0-9a-f]{64}")


class Names:
    """What accounts are called here; names are this machine's, and never leave it."""

    def __init__(self, contacts: Path, keystore: Keystore) -> None:
        """Use the contacts in a file, which need not be there yet."""
        self._path = contacts
        self._keystore = keystore
        self._by_account: dict[str, str] = {}
        self._contacts: dict[str, str] = {}

    def load(self, chain_name: str, pallets: Iterable[str]) -> None:
        """Read all names anew, for a chain with these pallets."""
        self._contacts = self._read()
        found = {pallet_account(each).hex(): f"{each} pallet" for each in pallets}
        found[pallet_account("Treasury").hex()] = "Treasury"
        if chain_name == DEVELOPMENT_CHAIN:
            for name in (*DEV_ACCOUNTS, *LOCAL_VALIDATORS):
                found[development_keypair(name).account.hex()] = name
        found |= {entry.account.hex(): entry.name for entry in self._keystore.entries()}
        self._by_account = found | self._contacts

    def of(self, account: str) -> str | None:
        """The name of an account in hexadecimal digits."""
        return self._by_account.get(account)

    def items(self) -> Mapping[str, str]:
        """All names by account."""
        return self._by_account

    def find(self, text: str) -> list[str]:
        """The accounts whose names contain a text."""
        wanted = text.strip().lower()
        return [account for account, name in self._by_account.items() if wanted in name.lower()]

    def account_of(self, text: str) -> bytes | None:
        """The account that a name or `dev:NAME` means; None for one that is not known."""
        wanted = text.strip().removeprefix("dev:")
        for account, name in self._by_account.items():
            if name == wanted:
                return bytes.fromhex(account)
        return None

    def add(self, account: str, name: str) -> None:
        """Keep a contact; an empty name forgets it.  Raises `FieldInvalid`."""
        if not _ACCOUNT.fullmatch(account):
            message = f"{account[:80]!r} is not an account."
            raise FieldInvalid(message, remedy="Give 64 hexadecimal digits.")
        self.add_all({account: name})

    def add_all(self, contacts: Mapping[str, str]) -> None:
        """Keep several contacts."""
        changed = self._read() | {
            account: name.strip()[:NAME_CHARACTERS_MAX] for account, name in contacts.items()
        }
        kept = {account: name for account, name in changed.items() if name}
        if len(kept) > CONTACTS_MAX:
            message = f"There are {CONTACTS_MAX} contacts already."
            raise FieldInvalid(message, remedy="Forget some of them first.")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, json.dumps(kept, indent=1).encode(), self._path.parent)
        self._contacts = kept
        self._by_account |= kept

    def _read(self) -> dict[str, str]:
        try:
            document = json.loads(self._path.read_bytes())
            return {str(account): str(name) for account, name in document.items()}
        except (OSError, ValueError, AttributeError):
            # Without a file, or with another one, accounts are shown by their digits.
            return {}
