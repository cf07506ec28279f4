"""Random blocks: signed calls to every pallet, most of them honest, some malformed or repeated."""

from __future__ import annotations

from runtime.calls import CallDefinition, RuntimeCall
from runtime.extrinsic import Era
from runtime.keys import Keypair
from runtime.testing.draws import Draws, SeededDraws, choose
from runtime.testing.rehearsal import Rehearsal, Scene, Setup
from runtime.testing.values import Values
from runtime.types import Marker

EXTRINSICS_PER_BLOCK = 4
"""The most extrinsics of one random block."""
_JUMPS = (1, 1, 1, 1, 2, 10, 100, 10_000, 200_000)
_TIP_MOST = 10**18


def random_block(rehearsal: Rehearsal, draws: Draws) -> int:
    """Execute one block of random extrinsics, at a height soon or long after the last one.

    Returns how many entered the block.
    """
    count = draws.integer(1, EXTRINSICS_PER_BLOCK)
    pending: dict[bytes, int] = {}
    chosen = [_random_extrinsic(rehearsal, draws, pending) for _ in range(count)]
    extrinsics = [extrinsic for extrinsic in chosen if extrinsic is not None]
    height = rehearsal.height + choose(draws, _JUMPS)
    proposer = choose(draws, rehearsal.setup.keypairs).account
    return len(rehearsal.execute(extrinsics, height=height, proposer=proposer).included)


def random_chain(setup: Setup, seed: bytes, blocks: int) -> Rehearsal:
    """Rehearse so many random blocks after an opening; everything follows from the seed."""
    draws = SeededDraws(seed)
    rehearsal = Rehearsal(setup)
    open_chain(rehearsal, draws.integer(0, len(setup.openings)))
    for _ in range(blocks):
        random_block(rehearsal, draws)
    rehearsal.check_tree()
    return rehearsal


def open_chain(rehearsal: Rehearsal, number: int) -> None:
    """Play one of the openings, counted from 1; 0 is none."""
    if number:
        rehearsal.setup.openings[number - 1](rehearsal)


def _random_extrinsic(
    rehearsal: Rehearsal, draws: Draws, pending: dict[bytes, int]
) -> bytes | None:
    """A signed call, or one of the ways in which an extrinsic can be wrong; None if it is forged.

    `pending` counts what each signer has in the block already.
    """
    kind = draws.integer(0, 19)
    if kind == 19 and rehearsal.included:
        return choose(draws, rehearsal.included)
    definition = choose(draws, _definitions(rehearsal, root=kind == 18))
    scene = _scene(rehearsal, draws, definition)
    keypair = _signer(rehearsal, draws, scene)
    call = random_call(rehearsal, draws, definition, scene)
    ahead = pending.get(keypair.account, 0)
    if kind == 17:
        return rehearsal.sign(keypair, call, ahead=ahead + choose(draws, (1, -1, 2**32)))
    if kind == 16:
        _forge(rehearsal, draws, keypair, rehearsal.sign(keypair, call))
        return None
    pending[keypair.account] = ahead + 1
    tip = draws.integer(0, _TIP_MOST) if kind == 15 else 0
    era = None
    if kind == 14:
        era = Era(max(0, rehearsal.height - draws.integer(-2, 8)), draws.integer(1, 64))
    return rehearsal.sign(keypair, call, ahead=ahead, tip=tip, era=era)


def _definitions(rehearsal: Rehearsal, *, root: bool) -> tuple[CallDefinition, ...]:
    """The calls that accounts sign; with `root` also those of the chain itself."""
    calls = rehearsal.calls()
    return tuple(each for each in calls if root or each.origin is Marker.SIGNED)


def _scene(rehearsal: Rehearsal, draws: Draws, definition: CallDefinition) -> Scene | None:
    """A call that succeeded and has to do with the same things; sometimes none."""
    names = definition.arguments.items
    related = [scene for scene in rehearsal.scenes if any(map(scene.values.__contains__, names))]
    return choose(draws, related) if related and draws.integer(0, 4) else None


def _signer(rehearsal: Rehearsal, draws: Draws, scene: Scene | None) -> Keypair:
    """Mostly who signed in the scene."""
    keypairs = rehearsal.setup.keypairs
    played = None if scene is None else scene.signer
    signers = [keypair for keypair in keypairs if keypair.account == played]
    return choose(draws, signers if signers and draws.integer(0, 2) else keypairs)


def random_call(
    rehearsal: Rehearsal, draws: Draws, definition: CallDefinition, scene: Scene | None
) -> RuntimeCall:
    """A call with random arguments, those of the scene where they fit."""
    nested = _definitions(rehearsal, root=False)
    played = {} if scene is None else scene.values
    call: RuntimeCall = Values(draws, rehearsal.pool, nested, played).call(definition)
    return call


def _forge(rehearsal: Rehearsal, draws: Draws, keypair: Keypair, raw: bytes) -> None:
    """Change one bit of an extrinsic, cut it off, or give it another signer's key."""
    bit = draws.integer(0, 8 * len(raw) - 1)
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    rehearsal.check_forged(bytes(changed))
    rehearsal.check_forged(raw[: bit // 8])
    rehearsal.check_forged(raw + b"\0")
    other = choose(draws, rehearsal.setup.keypairs)
    if other.account != keypair.account:
        rehearsal.check_forged(raw.replace(keypair.account, other.account))
