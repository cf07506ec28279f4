"""Whom a node dials and asks, without a network: the links are the test's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

import trio
from trio.testing import MockClock

from node.p2p.addresses import PeerAddress, encode_addresses
from node.p2p.discovery import Discovery, Known
from node.p2p.errors import PeerLost
from node.p2p.limits import Limits
from node.p2p.peers import Peer
from node.p2p.reputation import Misbehaviour, Reputation

OWN = b"o" * 32
LIMITS = Limits(outbound_max=4, dials_max=2)


@dataclass
class Link:
    """What discovery sees of a connected peer."""

    identity: bytes
    ip: str
    inbound: bool = False
    reserved: bool = False
    asked_at_s: float = float("-inf")
    answer: bytes = b""
    connection: Link | None = None
    farewell: None = None
    since_s: float = 0.0

    def __post_init__(self) -> None:
        self.connection = self

    async def request(self, _kind: object, _payload: bytes, _timeout_s: float) -> bytes:
        await trio.lowlevel.checkpoint()
        return self.answer


@dataclass
class Links:
    """Links that come about, or not, as the test says."""

    reachable: Callable[[PeerAddress], bool] = lambda _address: True
    peers: list[Link] = field(default_factory=list)
    dialled: list[tuple[float, PeerAddress]] = field(default_factory=list)
    blamed: list[Misbehaviour] = field(default_factory=list)
    answer: bytes = encode_addresses(())

    def peers_now(self) -> tuple[Link, ...]:
        return tuple(self.peers)

    async def dial(self, address: PeerAddress) -> Link:
        self.dialled.append((trio.current_time(), address))
        await trio.sleep(0.01)
        if not self.reachable(address):
            raise PeerLost("Nobody is there.")
        identity = address.identity or address.host.encode().ljust(32)
        return Link(identity, address.host, answer=self.answer)

    async def hold(self, peer: Link) -> None:
        self.peers.append(peer)
        await trio.sleep_forever()

    def blame(self, _peer: Peer, misbehaviour: Misbehaviour) -> None:
        self.blamed.append(misbehaviour)


def discover(
    links: Links,
    seeds: list[str],
    *,
    seconds: float = 30.0,
    reserved: tuple[PeerAddress, ...] = (),
    file: Path | None = None,
    reputation: Reputation | None = None,
) -> Discovery:
    """Run discovery for some seconds of a clock that jumps."""
    known = Known(OWN, tuple(PeerAddress(host, 1) for host in seeds), reserved, file)
    made = []

    async def main() -> None:
        judge = reputation or Reputation(100)
        discovery = Discovery(known, links, judge, LIMITS, Random(1), trio.current_time)  # type: ignore[arg-type]  # links of the test
        made.append(discovery)
        discovery.load()
        with trio.move_on_after(seconds):
            await discovery.run()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    return made[0]


def test_no_more_peers_are_dialled_than_wanted():
    """Four of many, each once."""
    links = Links()
    discover(links, [f"{number}.1.1.1" for number in range(1, 20)])
    assert len(links.peers) == len(links.dialled) == 4


def test_two_peers_at_most_are_in_one_neighbourhood():
    """One network's owner does not get all of a node's outbound connections."""
    links = Links()
    discover(links, [f"8.8.{number}.1" for number in range(20)])
    assert len(links.peers) == 2


def test_private_networks_are_one_neighbourhood_without_a_limit():
    """All nodes of a local network are there."""
    links = Links()
    discover(links, [f"192.168.1.{number}" for number in range(1, 9)])
    assert len(links.peers) == 4


def test_who_is_not_there_is_tried_again_less_and_less_often():
    """Within a minute about eight times, never more than two dials at once."""
    links = Links(reachable=lambda _address: False)
    discover(links, ["8.8.8.8"], seconds=60)
    times = [at_s for at_s, _ in links.dialled]
    assert 4 <= len(times) <= 12
    pauses = [after - before for before, after in pairwise(times)]
    assert pauses[-1] > 4 * pauses[0]


def test_banned_addresses_and_identities_are_not_dialled():
    """Except reserved ones."""
    reputation = Reputation(100)
    reputation.report(None, "8.8.8.8", Misbehaviour.MALFORMED, 0.0)
    friend = PeerAddress("8.8.8.8", 2, b"f" * 32)
    links = Links()
    discover(links, ["8.8.8.8"], reserved=(friend,), reputation=reputation)
    assert [address for _, address in links.dialled] == [friend]
    reputation.report(b"e" * 32, "127.0.0.1", Misbehaviour.MALFORMED, 0.0)
    links = Links()
    enemy = encode_addresses((PeerAddress("9.9.9.9", 1, b"e" * 32),))
    links.answer = enemy
    discover(links, ["8.8.4.4"], reputation=reputation)
    assert [address.host for _, address in links.dialled] == ["8.8.4.4"]


def test_what_peers_tell_is_dialled():
    """But not what a peer tells of our own network, nor ourselves."""
    told = (
        PeerAddress("9.9.9.9", 1, b"n" * 32),
        PeerAddress("127.0.0.1", 22, b"x" * 32),
        PeerAddress("9.9.9.8", 1, OWN),
    )
    links = Links(answer=encode_addresses(told))
    discover(links, ["8.8.8.8"])
    assert {address.host for _, address in links.dialled} == {"8.8.8.8", "9.9.9.9"}


def test_an_answer_that_is_no_list_is_blamed():
    """The peer has made it: nobody else can."""
    links = Links(answer=b"\xff")
    discover(links, ["8.8.8.8"])
    assert set(links.blamed) == {Misbehaviour.MALFORMED}


def test_bans_and_nodes_that_were_met_survive_a_restart(tmp_path):
    """The second run begins with what the first knew, and without a seed."""
    file, reputation = tmp_path / "peers.json", Reputation(100)
    reputation.report(b"e" * 32, "9.9.9.9", Misbehaviour.MALFORMED, 0.0)
    discover(Links(), ["8.8.8.8", "8.8.4.4"], seconds=10, file=file, reputation=reputation)
    again, links = Reputation(100), Links()
    discover(links, ["9.9.9.9"], seconds=10, file=file, reputation=again)
    assert again.is_banned(b"e" * 32, 10.0)
    assert {address.host for _, address in links.dialled} == {"8.8.8.8", "8.8.4.4"}


def test_a_book_that_cannot_be_written_does_not_stop_the_node(tmp_path, capsys):
    """It is said in the log, with a remedy."""
    links = Links()
    folder = tmp_path / "none"
    discover(links, ["8.8.8.8"], file=folder / "peers.json")
    assert len(links.peers) == 1
    said = capsys.readouterr()
    assert "address book not saved" in said.out + said.err  # where an earlier test left the log
