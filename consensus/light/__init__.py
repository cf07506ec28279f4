"""The light client: follows a chain from headers, commits and sets, without executing a block.

block.py          LightBlock, TrustedState: what it is given, what it keeps; reading state
verification.py   one step, to the next height or over many
sync.py           LightSync: the steps to a height
attack.py         WitnessCheck, LightClientAttack: two final blocks of one height, and whose
finality.py       verify_commit, check_commit: what receipts and snapshots check
"""

from consensus.light.attack import LightClientAttack, Side, WitnessCheck, culprits
from consensus.light.block import LightBlock, TrustedState
from consensus.light.sync import LightSync
from consensus.light.verification import (
    LightPolicy,
    check_commit,
    verify_header,
    verify_step,
)

__all__ = [
    "LightBlock",
    "LightClientAttack",
    "LightPolicy",
    "LightSync",
    "Side",
    "TrustedState",
    "WitnessCheck",
    "check_commit",
    "culprits",
    "verify_header",
    "verify_step",
]
