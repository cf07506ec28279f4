"""Nodes over real TCP: they find each other, talk, come back, and agree who is connected."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import trio
from prometheus_client import CollectorRegistry

from node.errors import ConfigError, PortInUse
from node.p2p import slots
from node.p2p.addresses import PeerAddress
from node.p2p.errors import InvalidAddress, PeerLost, PeerRefused, RequestRefused
from node.p2p.handshake import ChainIdentity
from node.p2p.kinds import Kind
from node.p2p.metrics import NetworkMetrics
from node.p2p.network import Network, NetworkConfig
from node.p2p.reputation import Misbehaviour
from tests.node.p2p.nodes import FAST, Cluster, Node, run, until, without_identity
from tests.node.p2p.wires import ALICE, BOB, MALLORY


async def connected(first: Node, second: Node) -> None:
    """Wait until both know of each other."""
    await until(lambda: second.identity in first.known() and first.identity in second.known())


def test_nodes_that_know_one_seed_all_find_each_other():
    """By asking their peers for addresses; all links are mutual."""

    async def scenario(cluster: Cluster) -> None:
        seed = await cluster.start()
        nodes = [seed, *[await cluster.start(without_identity(seed.address)) for _ in range(4)]]
        everybody = {node.identity for node in nodes}
        await until(lambda: all(node.known() == everybody - {node.identity} for node in nodes))

    run(scenario)


def test_messages_requests_and_refusals():
    """What is sent arrives with its sender and kind; what is asked is answered by its handler."""

    async def scenario(cluster: Cluster) -> None:
        first = await cluster.start()
        second = await cluster.start(first.address)
        await connected(first, second)
        assert first.network.send(second.identity, Kind.STATUS, b"status")
        assert first.network.broadcast(Kind.CONSENSUS, bytes(3_000_000)) == 1
        await until(lambda: len(second.received) == 2)
        assert {kind: len(payload) for _, kind, payload in second.received} == {
            Kind.STATUS: 6,
            Kind.CONSENSUS: 3_000_000,
        }
        assert {peer for peer, _, _ in second.received} == {first.identity}
        answer = await second.network.request(first.identity, Kind.BLOCKS, b"ab", 5)
        assert answer == b"abab"
        with pytest.raises(RequestRefused):
            await second.network.request(first.identity, Kind.SNAPSHOT, b"ab", 5)

    run(scenario)


def test_gossip_is_delivered_once():
    """However many peers pass it on, and not at all to who has sent it."""

    async def scenario(cluster: Cluster) -> None:
        first = await cluster.start()
        second = await cluster.start(first.address)
        third = await cluster.start(first.address, second.address)
        for pair in ((first, second), (second, third), (first, third)):
            await connected(*pair)
        first.network.broadcast(Kind.EXTRINSICS, b"extrinsic")
        await until(lambda: bool(second.received and third.received))
        second.network.broadcast(Kind.EXTRINSICS, b"extrinsic", except_peer=first.identity)
        third.network.broadcast(Kind.EXTRINSICS, b"extrinsic")
        for _ in range(2):
            third.network.broadcast(Kind.CONSENSUS, b"vote")
        await until(lambda: len(first.received) == 2 and len(second.received) == 3)
        assert [kind for _, kind, _ in first.received] == [Kind.CONSENSUS] * 2
        kinds = [kind for _, kind, _ in second.received]
        assert sorted(kinds) == [Kind.CONSENSUS, Kind.CONSENSUS, Kind.EXTRINSICS]

    run(scenario)


def test_nobody_hears_of_what_is_sent_to_nobody():
    """A peer that is not connected is told apart; the network's own kinds are its own."""

    async def scenario(cluster: Cluster) -> None:
        node = await cluster.start()
        assert not node.network.send(ALICE.account, Kind.STATUS, b"")
        assert node.network.broadcast(Kind.STATUS, b"") == 0
        node.network.report(ALICE.account, Misbehaviour.MALFORMED)
        with pytest.raises(PeerLost):
            await node.network.request(ALICE.account, Kind.BLOCKS, b"", 1)
        with pytest.raises(ValueError, match="at most"):
            node.network.broadcast(Kind.STATUS, bytes(5_000))
        with pytest.raises(ValueError, match="never a MESSAGE"):
            node.network.send(ALICE.account, Kind.PEERS, b"")

    run(scenario)


def test_a_view_of_each_peer():
    """Identity, address, direction, traffic, round trip, points."""

    async def scenario(cluster: Cluster) -> None:
        first = await cluster.start()
        second = await cluster.start(first.address)
        await connected(first, second)
        await until(lambda: first.network.peers()[0].rtt_s is not None)
        (view,) = second.network.peers()
        assert view.address == f"127.0.0.1:{first.address.port}"
        assert (view.inbound, view.reserved, view.points) == (False, False, 0.0)
        (view,) = first.network.peers()
        assert view.inbound
        assert view.connected_s > 0
        assert min(view.received_bytes, view.sent_bytes) > 0
        first.network.report(second.identity, Misbehaviour.UNASKED)
        assert first.network.peers()[0].points == pytest.approx(5, rel=0.01)
        assert first.metric('peers{direction="in"}') == 1
        assert second.metric('peers{direction="out"}') == 1
        assert first.metric('messages_total{direction="in",kind="ping"}') > 0
        assert first.metric('bytes_total{direction="in"}') > 0
        assert first.metric('misbehaviour_total{misbehaviour="unasked"}') == 1

    run(scenario)


def test_the_operator_bans_and_lifts_a_ban():
    """Who is banned has to go, and stays out until the ban is lifted."""

    async def scenario(cluster: Cluster) -> None:
        first = await cluster.start()
        second = await cluster.start(first.address, identity=ALICE)
        await connected(first, second)
        ban = first.network.ban(ALICE.account.hex(), 3_600)
        assert first.network.bans() == (ban,)
        await until(lambda: not first.known() and not second.known())
        with pytest.raises(PeerRefused):
            await first.network.dial(second.address)
        assert first.network.lift_ban(ALICE.account.hex())
        assert not first.network.lift_ban(ALICE.account.hex())
        assert first.network.bans() == ()
        again = await cluster.start(first.address)
        await connected(first, again)

    run(scenario)


def test_the_operator_cannot_ban_whom_the_node_must_keep():
    """Reserved peers, this machine, and whatever is neither an identity nor an IP address."""

    async def scenario(cluster: Cluster) -> None:
        first = await cluster.start(identity=ALICE)
        second = await cluster.start(reserved=(first.address,))
        with pytest.raises(ConfigError, match="reserved"):
            second.network.ban(ALICE.account.hex(), 60)
        for who in ("127.0.0.1", "::1", "node.example", "ab"):
            with pytest.raises(InvalidAddress):
                second.network.ban(who, 60)
        assert second.network.ban("2001:db8::1", 60).who == "ip 2001:db8::/64"

    run(scenario)


def test_a_node_that_comes_back_is_connected_again():
    """By the one that had dialled it; both sides hear of the end and of the new beginning."""

    async def scenario(cluster: Cluster) -> None:
        first = await cluster.start(identity=ALICE)
        second = await cluster.start(first.address)
        await connected(first, second)
        first.stop()
        await until(lambda: second.known() == set())
        again = await cluster.start(identity=ALICE, port=first.address.port)
        await connected(again, second)
        names = [name for name, _ in second.events]
        assert names == ["connected", "disconnected", "connected"]

    run(scenario)


def test_a_node_that_comes_back_without_seeds_has_its_address_book(tmp_path):
    """It finds the others by itself, under the same identity."""

    async def scenario(cluster: Cluster) -> None:
        first = await cluster.start()
        book = tmp_path / "peers.json"
        second = await cluster.start(first.address, identity=ALICE, book=book)
        await connected(first, second)
        second.stop()
        await until(lambda: first.known() == set() and book.exists())
        again = await cluster.start(identity=ALICE, book=book)
        await connected(first, again)

    run(scenario)


def test_two_nodes_that_dial_each_other_keep_one_connection():
    """Each of them sees the other once, and they agree on the direction."""

    async def scenario(cluster: Cluster) -> None:
        first, second = await cluster.start(), await cluster.start()
        dialled = []

        async def dial(node: Node, other: Node) -> None:
            dialled.append((node, await node.network.dial(other.address)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(dial, first, second)
            nursery.start_soon(dial, second, first)
        async with trio.open_nursery() as nursery:
            ended = [trio.Event(), trio.Event()]

            async def hold(number: int) -> None:
                node, peer = dialled[number]
                await node.network.hold(peer)
                ended[number].set()

            nursery.start_soon(hold, 0)
            nursery.start_soon(hold, 1)
            await until(lambda: any(each.is_set() for each in ended))
            await connected(first, second)
            assert sum(each.is_set() for each in ended) == 1
            (here,), (there,) = first.network.peers(), second.network.peers()
            assert here.inbound != there.inbound
            assert first.network.send(second.identity, Kind.STATUS, b"x")
            await until(lambda: bool(second.received))
            nursery.cancel_scope.cancel()

    run(scenario)


def test_a_node_that_is_its_own_seed_gives_up_on_itself():
    """Operators give all nodes the same list."""

    async def scenario(cluster: Cluster) -> None:
        first = await cluster.start()
        first.network._discovery._book.give(without_identity(first.address))
        await until(
            lambda: first.metric('handshake_failures_total{direction="out",reason="self"}') > 0
        )
        second = await cluster.start(first.address)
        await connected(first, second)
        assert first.metric('handshake_failures_total{direction="out",reason="self"}') == 1

    run(scenario)


def test_a_seed_that_is_connected_already_is_not_connected_twice():
    """The operator's list has no identities: who is there is learnt without disturbing the link."""

    async def scenario(cluster: Cluster) -> None:
        first = await cluster.start()
        second = await cluster.start(first.address)
        await connected(first, second)
        by_name = PeerAddress("localhost", second.address.port)
        first.network._discovery._book.give(by_name)
        learnt = replace(by_name, identity=second.identity)
        entries = first.network._discovery._book.entries
        await until(lambda: learnt in [entry.address for entry in entries()])
        failures = 'handshake_failures_total{direction="out",reason="connected"}'
        assert first.metric(failures) == 1
        assert [name for name, _ in first.events + second.events] == ["connected"] * 2

    run(scenario)


def test_nodes_of_other_chains_stay_apart():
    """Both count why, and nobody is blamed."""

    async def scenario(cluster: Cluster) -> None:
        first = await cluster.start()
        metrics = NetworkMetrics(registry := CollectorRegistry())
        config = NetworkConfig(seeds=(first.address,), limits=FAST)
        chain = ChainIdentity(b"x" * 32, b"r" * 32)
        stranger = Network(config, chain, ALICE, first, metrics)
        await cluster.nursery.start(stranger.run)
        await until(
            lambda: first.metric('handshake_failures_total{direction="in",reason="chain"}') > 0
        )
        name, labels = "openledger_p2p_handshake_failures_total", {"direction": "out"}
        await until(lambda: bool(registry.get_sample_value(name, {**labels, "reason": "chain"})))
        assert first.known() == set()
        assert first.metric('misbehaviour_total{misbehaviour="bad_handshake"}') == 0

    run(scenario)


def test_reserved_peers_are_kept_although_all_places_are_taken():
    """They need no place, and are not banned; another newcomer is refused, and tries elsewhere."""

    async def scenario(cluster: Cluster) -> None:
        full = replace(FAST, inbound_max=1, outbound_max=0)
        friend = PeerAddress("127.0.0.1", 9, ALICE.account)
        first = await cluster.start(limits=full, reserved=(friend,))
        second = await cluster.start(first.address)
        await connected(first, second)
        third = await cluster.start(first.address)
        await until(
            lambda: first.metric('handshake_failures_total{direction="in",reason="refused"}') > 0
        )
        reserved = await cluster.start(first.address, identity=ALICE)
        await connected(first, reserved)
        first.network.report(ALICE.account, Misbehaviour.MALFORMED)
        assert first.known() == {second.identity, ALICE.account}
        await until(lambda: third.known() == set())

    run(scenario)


def test_reserved_peers_are_dialled_although_no_more_are_wanted():
    """Again and again."""

    async def scenario(cluster: Cluster) -> None:
        first = await cluster.start(identity=ALICE)
        alone = replace(FAST, outbound_max=0)
        second = await cluster.start(reserved=(first.address,), limits=alone)
        await connected(first, second)
        first.stop()
        await until(lambda: second.known() == set())
        again = await cluster.start(identity=ALICE, port=first.address.port)
        await connected(again, second)

    run(scenario)


def test_a_reserved_peer_needs_an_identity():
    """Otherwise anybody at the address would be kept."""
    config = NetworkConfig(reserved=(PeerAddress("127.0.0.1", 1),))
    metrics = NetworkMetrics(CollectorRegistry())
    with pytest.raises(ConfigError, match="no identity"):
        Network(config, ChainIdentity(bytes(32), bytes(32)), ALICE, None, metrics)  # type: ignore[arg-type]  # not reached


def test_a_full_node_makes_room_for_who_comes_from_elsewhere(monkeypatch):
    """The youngest of a crowded neighbourhood hears that it has to go."""
    monkeypatch.setattr(slots, "OLDEST_PROTECTED", 0)
    monkeypatch.setattr(slots, "FASTEST_PROTECTED", 0)

    async def scenario(cluster: Cluster) -> None:
        full = replace(FAST, inbound_max=2, outbound_max=0)
        first = await cluster.start(limits=full)
        # Reserved on their side only, so that they dial although they want no outbound peers.
        others = [
            await cluster.start(reserved=(first.address,), limits=full, identity=identity)
            for identity in (ALICE, BOB, MALLORY)
        ]
        await until(lambda: len(first.events) >= 4)
        names = [name for name, _ in first.events[:4]]
        assert names == ["connected", "connected", "disconnected", "connected"]
        assert len(first.known()) == 2
        assert first.known() < {other.identity for other in others}

    run(scenario)


def test_whose_address_is_banned_is_turned_away_unless_it_is_reserved():
    """Loopback is never banned, so this is asked of the node itself."""
    reserved = (PeerAddress("192.0.2.1", 1, ALICE.account),)
    for config, refused in ((NetworkConfig(), True), (NetworkConfig(reserved=reserved), False)):

        async def main(config: NetworkConfig = config, refused: bool = refused) -> None:
            metrics = NetworkMetrics(CollectorRegistry())
            chain = ChainIdentity(bytes(32), bytes(32))
            network = Network(config, chain, BOB, None, metrics, clock=lambda: 0.0)  # type: ignore[arg-type]  # nobody is told
            network._reputation.report(None, "192.0.2.1", Misbehaviour.MALFORMED, 0.0)
            with pytest.raises(PeerRefused) if refused else nullcontext():
                network._check_arrival("192.0.2.1")

        trio.run(main)


def test_a_port_that_is_taken_is_a_typed_error():
    """One sentence and a remedy, as for the RPC."""

    async def scenario(cluster: Cluster) -> None:
        first = await cluster.start()
        with pytest.RaisesGroup(PortInUse, flatten_subgroups=True, allow_unwrapped=True):
            await cluster.start(port=first.address.port)

    run(scenario)
