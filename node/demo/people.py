"""Who acts in the demo: their keys, derived from their names, for a chain that lives minutes."""

from __future__ import annotations

from dataclasses import dataclass

from genesis.chain_spec import development_keypair
from node.demo.corpus import Corpus
from runtime.hashing import hash_text
from runtime.keys import Keypair


@dataclass(frozen=True, slots=True)
class People:
    """The cast's keys; contributors begin without OPEN, and the curator gives them a little."""

    validator: Keypair
    curator: Keypair
    builder: Keypair
    worker: Keypair
    server: Keypair
    user: Keypair
    contributors: dict[str, Keypair]

    def name_of(self, account: bytes) -> str:
        """The contributor with this account, or the start of the account."""
        for name, keypair in self.contributors.items():
            if keypair.account == account:
                return name
        return account.hex()[:12]


def people_of(corpus: Corpus) -> People:
    """The development accounts of the chain spec, and one account a contribution."""
    return People(
        validator=development_keypair("validator"),
        curator=development_keypair("faucet"),
        builder=development_keypair("builder"),
        worker=development_keypair("worker"),
        server=development_keypair("server"),
        user=development_keypair("user"),
        contributors={
            contribution.name: Keypair.from_seed(
                hash_text(f"openledger demo contributor: {contribution.name}".encode())
            )
            for contribution in corpus.contributions
        },
    )
