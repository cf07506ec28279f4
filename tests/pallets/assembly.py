"""Referenda that are decided in a few blocks, and who votes in them."""

from __future__ import annotations

from typing import Any

from genesis.chain_spec import development_keypair
from pallets.governance.pallet import Governance
from pallets.governance.types import Curve, Outcome, Referendum, TrackTerms
from pallets.preimage.pallet import Preimage
from pallets.system.pallet import System
from pallets.voting.pallet import Voting
from pallets.voting.types import Vote
from runtime import OPEN, PPB, RuntimeCall
from runtime.cbor import encode
from runtime.hashing import hash_call
from runtime.keys import Keypair
from runtime.wire.votes import TrackName
from tests.pallets.chain import Chain, spec

PROPOSER, ALICE, BOB, USER = map(development_keypair, ("builder", "alice", "bob", "user"))
FAUCET = development_keypair("faucet")
"""Has 10,000,000 OPEN; the others have a million each."""
DEPOSIT = 100 * OPEN
QUICK = TrackTerms(
    decision_deposit=DEPOSIT,
    deciding_max=2,
    prepare_blocks=3,
    decision_blocks=20,
    confirm_blocks=4,
    enactment_blocks=5,
    approval=Curve(PPB, PPB // 2 + 1, PPB),
    support=Curve(PPB // 2, PPB // 10, PPB),
)
TERMS = (
    "root_terms",
    "parameters_terms",
    "small_spender_terms",
    "large_spender_terms",
    "canceller_terms",
    "killer_terms",
)
SHORTER = System.set_parameter.Call(pallet="Session", name="session_blocks", value=encode(9))


def assembly(**parameters: Any) -> Chain:
    """A chain whose referenda are decided in 20 blocks."""
    quick = dict.fromkeys(TERMS, QUICK)
    return Chain(spec(**quick | {"lock_blocks": 10, "undecided_blocks": 30} | parameters))


def hash_of(call: RuntimeCall) -> bytes:
    """The name of a call."""
    return hash_call(encode(call.to_plain()))


def aye(amount: int, conviction: int = 1) -> Vote:
    """For it."""
    return Vote(aye=amount, nay=0, abstain=0, conviction=conviction)


def nay(amount: int, conviction: int = 1) -> Vote:
    """Against it."""
    return Vote(aye=0, nay=amount, abstain=0, conviction=conviction)


def propose(
    chain: Chain,
    call: RuntimeCall = SHORTER,
    track: TrackName = TrackName.PARAMETERS,
    *,
    deposit: bool = True,
) -> int:
    """Submit a referendum on a call, with its decision deposit; returns its number."""
    with chain.reading() as pallets:
        noted = hash_of(call) in pallets.preimage.calls
    if not noted:
        chain.ok(PROPOSER, Preimage.note.Call(call=call))
    submit = Governance.submit.Call(track=track, call_hash=hash_of(call), enactment_blocks=0)
    number: int = chain.ok(PROPOSER, submit)["Governance.Submitted"].fields["referendum"]
    if deposit:
        chain.ok(PROPOSER, Governance.place_decision_deposit.Call(referendum=number))
    return number


def cast(chain: Chain, voter: Keypair, poll: int, vote: Vote) -> None:
    """Vote."""
    chain.ok(voter, Voting.vote.Call(poll=poll, vote=vote))


def until(chain: Chain, event: str, blocks_max: int = 60) -> dict[str, Any]:
    """Execute empty blocks until one has this event; returns its fields."""
    for _ in range(blocks_max):
        chain.execute()
        for each in chain.events:
            if f"{each.pallet}.{each.name}" == event:
                return dict(each.fields)
    message = f"No block had the event {event}."
    raise AssertionError(message)


def passed(
    chain: Chain, call: RuntimeCall, track: TrackName, voter: Keypair = FAUCET
) -> dict[str, Any]:
    """Let a referendum be approved and carried out; returns what became of its call."""
    number = propose(chain, call, track)
    cast(chain, voter, number, aye(9_000_000 * OPEN))
    until(chain, "Governance.Ended")
    return until(chain, "Scheduler.Made")


def referendum(chain: Chain, number: int) -> Referendum:
    """A referendum that is not over."""
    with chain.reading() as pallets:
        found: Referendum = pallets.governance.referenda[number]
    return found


def outcome(chain: Chain, number: int) -> Outcome:
    """A referendum that is over."""
    with chain.reading() as pallets:
        found: Outcome = pallets.governance.outcomes[number]
    return found
