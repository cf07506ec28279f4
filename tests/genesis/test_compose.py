"""The composed runtime: every pallet once, wired by traits, fresh each time."""

from __future__ import annotations

from dataclasses import fields

from genesis.compose import SPEC_VERSION, Pallets, compose, compose_runtime
from genesis.sandbox import Sandbox
from runtime import BlockNumber, Hash, Needs, Pallet, Signed, Value, Weight, call
from runtime.hashing import ZERO_HASH
from runtime.keys import pallet_account
from runtime.traits import Randomness

NUMBERS = {
    "System": (0, ["remark", "set_parameter", "set_guarded_parameter"]),
    "Utility": (1, ["batch", "batch_all", "dispatch_all"]),
    "Balances": (2, ["transfer", "transfer_keep_alive", "approve", "transfer_from", "burn"]),
    "Fees": (3, []),
    "Staking": (5, ["bond", "nominate", "unbond", "withdraw", "claim", "set_commission"]),
    "Session": (4, ["set_keys", "purge_keys", "validate", "chill", "unjail"]),
    "Offences": (6, ["report", "submit", "cancel_slash"]),
    "Upgrade": (7, ["schedule", "cancel"]),
    "Preimage": (9, ["note", "unnote"]),
    "Scheduler": (8, ["schedule", "cancel", "cancel_by_name"]),
    "Governance": (10, ["submit", "place_decision_deposit", "cancel", "kill"]),
    "Voting": (15, ["vote", "remove_vote", "delegate", "undelegate", "unlock"]),
    "Treasury": (11, ["spend_small", "spend_large", "spend"]),
    "Vesting": (12, ["vest", "claim", "vested_transfer", "merge"]),
    "Multisig": (13, ["approve", "execute", "cancel"]),
    "Proxy": (
        14,
        [
            "proxy",
            "give_right",
            "take_right",
            "create_pure",
            "announce",
            "withdraw",
            "reject",
            "proxy_announced",
        ],
    ),
    "Panels": (26, ["enrol", "leave", "seat", "commit", "reveal", "close"]),
    "Datanets": (20, ["create", "set_sponsor_budget"]),
    "Submissions": (25, ["commit", "reveal", "publish_version", "expire", "settle"]),
    "Reports": (27, ["report", "answer", "convene", "resolve"]),
    "DataRights": (
        28,
        [
            "withdraw",
            "withdraw_row",
            "erase",
            "request_access",
            "set_member",
            "share_key",
            "remove_key",
        ],
    ),
    "DatanetVotes": (29, ["propose", "vote", "close", "release"]),
    "Models": (
        21,
        [
            "register_base",
            "admit_base",
            "publish",
            "set_price",
            "set_shares",
            "grant",
            "revoke_grant",
            "retire",
        ],
    ),
    "Workers": (30, ["register", "bond_extra", "unbond"]),
    "Audits": (32, ["commit", "reveal"]),
    "Exams": (34, ["commit", "show"]),
    "Compute": (22, ["submit_job", "claim", "abort", "commit", "reveal", "settle"]),
    "Disputes": (
        31,
        [
            "name_referee",
            "certify",
            "challenge",
            "challenge_step",
            "split",
            "pick",
            "open_step",
            "judge",
            "time_out",
        ],
    ),
    "Inference": (
        23,
        [
            "deposit",
            "withdraw",
            "authorize",
            "revoke",
            "reclaim",
            "register_server",
            "settle_batch",
            "leave",
            "show_fault",
        ],
    ),
    "Attribution": (24, ["order", "settle", "claim", "sweep"]),
}
"""The numbers of pallets on the wire, and their calls in the order of theirs."""


def test_the_runtime_has_exactly_the_typed_pallets():
    """`Pallets` and `Runtime.pallets` are the same objects, in the same order."""
    runtime, pallets = compose()
    by_name = list(runtime.pallets.values())
    assert by_name == [getattr(pallets, field.name) for field in fields(Pallets)]
    assert list(runtime.pallets) == [
        "System",
        "Utility",
        "Balances",
        "Fees",
        "Staking",
        "Session",
        "Offences",
        "Upgrade",
        "Preimage",
        "Scheduler",
        "Governance",
        "Voting",
        "Treasury",
        "Vesting",
        "Multisig",
        "Proxy",
        "Panels",
        "Datanets",
        "Submissions",
        "Reports",
        "DataRights",
        "DatanetVotes",
        "Models",
        "Workers",
        "Audits",
        "Exams",
        "Compute",
        "Disputes",
        "Inference",
        "Attribution",
    ]
    assert runtime.spec_version == SPEC_VERSION


class Lottery(Pallet, index=120):
    """Draws with a beacon that nobody knew when the lots were closed."""

    randomness: Needs[Randomness]
    closed_at = Value[BlockNumber](0)
    drawn = Value[Hash](ZERO_HASH)

    @call(0, weight=Weight(reads=1, writes=1))
    def close(self, _sender: Signed) -> None:
        """No more lots."""
        self.closed_at.put(self.block.height)

    @call(1, weight=Weight(reads=2, writes=1))
    def draw(self, _sender: Signed) -> None:
        """Two blocks later at the earliest."""
        self.drawn.put(self.randomness.beacon_after(self.closed_at.get()))


def test_pallets_of_packages_draw_from_later_beacons():
    """The session pallet gives them what its trait promises, and not before it is there."""
    sandbox = Sandbox(Lottery)
    alice = sandbox.keypair("alice")
    sandbox.ok(alice, Lottery.close.Call())
    closed_at = sandbox.height
    sandbox.fails(alice, Lottery.draw.Call(), "Session.BeaconUnknown")
    sandbox.ok(alice, Lottery.draw.Call())
    with sandbox.reading():
        assert sandbox.pallet(Lottery).drawn.get() == sandbox.context(closed_at + 2).beacon


def test_every_composition_is_new():
    """Two runtimes share no pallet: each has its own overlay."""
    first, second = compose_runtime(), compose_runtime()
    for name, pallet in first.pallets.items():
        assert second.pallets[name] is not pallet


def test_indices_stay_for_ever():
    """Extrinsics name pallets and calls by number: a change would give old blocks a new meaning."""
    numbers = {
        name: (pallet.definition.index, [call.name for call in pallet.definition.calls])
        for name, pallet in compose_runtime().pallets.items()
    }
    assert numbers == NUMBERS


def test_pots_are_the_accounts_of_names():
    """Each pallet's account follows from its name alone."""
    for name, pallet in compose_runtime().pallets.items():
        assert pallet.account == pallet_account(name)


def test_everything_a_user_can_meet_is_explained():
    """Every call and event has a sentence; every error a sentence and a remedy."""
    for pallet in compose_runtime().metadata()["pallets"]:
        assert pallet["documentation"]
        for kind in ("calls", "events", "errors"):
            for each in pallet[kind]:
                assert each["documentation"], (pallet["name"], each["name"])
                assert not each["documentation"].startswith(f"{each['name']}("), each["name"]
        assert all(error["remedy"] for error in pallet["errors"])
