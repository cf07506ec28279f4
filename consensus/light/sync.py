"""From a trusted header to a height: which light blocks to ask for, and what to make of them.

Pure: whoever drives it fetches and tells the time.

    sync = LightSync(trusted, target_height, policy)
    while sync.wanted is not None:
        sync.receive(fetch(sync.wanted), now_ms())
    trusted = sync.trusted

It asks for the target first.  While that is out of reach it asks for the block half-way, and so on;
then it goes back up through what it has.  Where the set does not change that is one step, else it
is a few for each third of the weight that was replaced.
"""

from __future__ import annotations

from consensus.errors import InvalidLightBlock, TooManySteps
from consensus.light.block import LightBlock, TrustedState
from consensus.light.verification import LightPolicy, is_within_reach, verify_step

STEPS_MAX = 512
"""The most light blocks that one synchronisation asks for."""


class LightSync:
    """One synchronisation."""

    def __init__(self, trusted: TrustedState, target_height: int, policy: LightPolicy) -> None:
        """Raises `InvalidLightBlock` for a target below what is trusted."""
        if target_height < trusted.header.height:
            raise InvalidLightBlock(
                f"Height {target_height} is below the trusted height {trusted.header.height}.",
                remedy="Ask for a later height, or begin from an older trusted header.",
            )
        self.trusted = trusted
        """The latest state that is verified."""
        self.trace: tuple[LightBlock, ...] = ()
        """The blocks that are verified, in the order of heights; the last one is the target."""
        self._target_height = target_height
        self._policy = policy
        self._ahead: list[LightBlock] = []
        self._steps = 0

    @property
    def wanted(self) -> int | None:
        """The height of the light block to `receive` next; `None`: the target is trusted."""
        height = self.trusted.header.height
        if height == self._target_height:
            return None
        if not self._ahead:
            return self._target_height
        return (height + self._ahead[-1].header.height) // 2

    def receive(self, block: LightBlock, now_ms: int) -> None:
        """Take the light block of the height that is `wanted`, at this time.

        Raises `InvalidLightBlock` or `InvalidCertificate` (the node is faulty), `TrustExpired` or
        `TooManySteps`.
        """
        if block.header.height != self.wanted:
            message = f"Block {self.wanted} was asked for, and {block.header.height} came."
            raise InvalidLightBlock(message, remedy="Ask another node.")
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise TooManySteps(
                f"{STEPS_MAX} light blocks did not lead to height {self._target_height}.",
                remedy="Begin from a later trusted header, or ask another node.",
            )
        self._ahead.append(block)
        while self._ahead and is_within_reach(self.trusted, self._ahead[-1]):
            block = self._ahead.pop()
            self.trusted = verify_step(self.trusted, block, self._policy, now_ms)
            self.trace += (block,)
