"""Governance on four real validators, and the voter's page, command by command."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.local_network import LocalNetwork, local_network, wait_until
from consensus.votes import VoteKind
from genesis.chain_spec import ChainSpec, development_keypair, local_spec
from genesis.liars import Liar, Liars
from node.client import NodeClient
from node.standing import standing
from pallets.balances.pallet import Balances
from pallets.governance.pallet import Governance
from pallets.governance.types import Curve, Result, TrackTerms
from pallets.offences.pallet import Offences
from pallets.pots import TREASURY
from pallets.preimage.pallet import Preimage
from pallets.treasury.pallet import Treasury
from pallets.upgrade.pallet import Upgrade
from pallets.voting.pallet import Voting
from pallets.voting.types import Vote
from runtime import OPEN, PPB, RuntimeCall
from runtime.cbor import encode
from runtime.hashing import hash_call
from runtime.wire.votes import TrackName
from tests.node.test_localnet import AS_VERSION_2

PAGE = (Path(__file__).parents[2] / "docs/operate/vote.md").read_text()
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
QUICK = TrackTerms(
    decision_deposit=OPEN,
    deciding_max=8,
    prepare_blocks=1,
    decision_blocks=10_000,
    confirm_blocks=3,
    enactment_blocks=2,
    approval=Curve(PPB, PPB // 2 + 1, PPB),
    support=Curve(PPB // 100, 0, PPB),
)
UPGRADE_BLOCKS = 60
"""From its proposal to the upgrade: time enough for the other referenda."""
FAUCET, BUILDER, USER = map(development_keypair, ("faucet", "builder", "user"))
Run = Callable[..., Any]


def quick_spec() -> ChainSpec:
    """Four validators, and referenda that are decided in a few blocks."""
    terms = (
        Governance.root_terms,
        Governance.parameters_terms,
        Governance.small_spender_terms,
    )
    chosen: dict[Any, Any] = {
        **dict.fromkeys(terms, QUICK),
        Voting.lock_blocks: 1,
        Offences.appeal_blocks: 2_000,
    }
    spec = local_spec(4)
    return replace(spec, parameters=spec.parameters.choosing(chosen))


def propose(client: NodeClient, call: RuntimeCall, track: TrackName) -> int:
    """Propose a call, leave both deposits, and vote for it with most of all OPEN."""
    submit = Governance.submit.Call(
        track=track, call_hash=hash_call(encode(call.to_plain())), enactment_blocks=0
    )
    client.submit(Preimage.note.Call(call=call), BUILDER)
    events = client.submit(submit, BUILDER).events
    number: int = next(each for each in events if each.name == "Submitted").fields["referendum"]
    client.submit(Governance.place_decision_deposit.Call(referendum=number), BUILDER)
    aye = Vote(aye=9_000_000 * OPEN, nay=0, abstain=0, conviction=1)
    client.submit(Voting.vote.Call(poll=number, vote=aye), FAUCET)
    return number


def walk_the_page(network: LocalNetwork, openledger: Run) -> None:
    """Every command of the voter's page works, and the referendum is carried out in between."""
    url = network.node("validator-2").url
    for words in COMMANDS:
        finished = openledger(*words, OPENLEDGER_NODE=url)
        assert finished.returncode == 0, finished.stderr
        if words[:2] == ["gov", "simulate"]:
            assert "Session.session_blocks" in finished.stdout
            report = json.loads(openledger(*words, "--json", OPENLEDGER_NODE=url).stdout)
            (changed,) = report["storage"]
            assert (changed["before"], changed["after"]) == (120, 600)
            assert report["issuance_before"] == report["issuance_after"]
        if words[:2] == ["gov", "vote"]:
            wait_for_votes(network)


def wait_for_votes(network: LocalNetwork) -> None:
    """Until the first referendum is carried out."""
    with network.client("validator-3") as client:
        wait_until(
            lambda: client.read("Session", "session_blocks") == 600, "the parameter is changed"
        )


def test_the_chain_is_governed(tmp_path: Path, openledger: Run) -> None:
    """A parameter, a spend, an appeal against a slash and an upgrade, on four real validators."""
    spec = quick_spec()
    with local_network(tmp_path, spec) as network:
        network.wait_for_height(3)
        walk_the_page(network, openledger)
        with network.client("validator") as client:
            before = client.read("Balances", "accounts", USER.account).free
            gift = Balances.transfer.Call(receiver=TREASURY, amount=100 * OPEN)
            client.submit(gift, FAUCET)
            spend = Treasury.spend_small.Call(
                pot="treasury", receiver=USER.account, amount=50 * OPEN
            )
            propose(client, spend, TrackName.SMALL_SPENDER)
            liar = Liar.development("validator-4")
            liars = Liars(client.genesis_hash, spec.validator_set())
            evidence = liars.double_vote(liar, 2, VoteKind.NOTARIZE)
            client.submit(Offences.report.Call(evidence=evidence), USER)
            slash = client.read("Offences", "first_slash")
            assert client.read("Offences", "slashes", slash) is not None
            propose(client, Offences.cancel_slash.Call(slash=slash), TrackName.ROOT)
            upgrade_at = client.height() + UPGRADE_BLOCKS
            plan = Upgrade.schedule.Call(spec_version=2, height=upgrade_at, code_hash=bytes(32))
            number = propose(client, plan, TrackName.ROOT)
            assert standing(client, number)["track"] == "root"

            def approved() -> bool:
                return client.read("Upgrade", "pending") is not None

            wait_until(approved, "the upgrade is planned")
            assert client.read("Balances", "accounts", USER.account).free > before + 49 * OPEN
            assert client.read("Offences", "slashes", slash) is None
            assert client.read("Governance", "outcomes", number).result is Result.APPROVED
        upgrade(network, upgrade_at)


def upgrade(network: LocalNetwork, height: int) -> None:
    """The old version stops before the height that was voted for, and the new one goes on."""
    for name in network.names:
        running = network.running[name]
        wait_until(lambda running=running: not running.is_running, f"{name} stops")  # type: ignore[misc] # bound now
    network.running.clear()
    network.start(code=AS_VERSION_2)
    network.wait_for_height(height + 2)
    with network.client("validator") as client:
        assert client.call("chain_getHeader", height)["fields"]["spec_version"] == 2
        assert client.read("Upgrade", "pending") is None
