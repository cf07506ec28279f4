"""Chains: random blocks on the whole OpenLedger runtime, each checked as `Rehearsal` says.

An input is a block; it is accepted if any of its extrinsics is included.  A chain lasts for as
many blocks as a chunk of inputs has, then another begins.
"""

from __future__ import annotations

from random import Random

from runtime.testing import Rehearsal
from runtime.testing.traffic import open_chain, random_block
from tests.fuzz.campaign import Step, main
from tests.fuzz.openledger import SETUP


class RandomDraws:
    """Draws from the campaign's generator."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def integer(self, least: int, most: int) -> int:
        """An integer from `least` to `most`, both included."""
        return self._random.randint(least, most)


def make() -> Step:
    """Return the fuzzer's step."""
    chains: dict[Random, Rehearsal] = {}

    def step(random: Random) -> bool:
        if random not in chains:  # a chunk of inputs has its own generator
            chains.clear()
            chains[random] = Rehearsal(SETUP)
            open_chain(chains[random], random.randint(0, len(SETUP.openings)))
        rehearsal = chains[random]
        return random_block(rehearsal, RandomDraws(random)) > 0

    return step


if __name__ == "__main__":
    main("chains", make)
