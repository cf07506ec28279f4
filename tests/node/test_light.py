"""The light client against a node: from a trusted block it verifies others, and reads state."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from consensus.cryptography import CRYPTOGRAPHY
from consensus.errors import InvalidCertificate, InvalidLightBlock, TrustExpired
from consensus.evidence import Evidence, judge
from consensus.light import LightClientAttack, LightPolicy, Side, TrustedState
from consensus.votes import Statement, VoteKind
from genesis.chain_spec import dev_spec, genesis_block
from node import light
from node.errors import ConfigError, RpcFailed
from node.light import (
    LightFile,
    begin,
    certificates_from,
    compare,
    complete,
    fetch_from,
    follow,
    read,
)
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.storage import storage_key
from tests.consensus import light_chain

KEY = storage_key("Session", "current")
AGES_MS = 10**13
"""Long enough to trust the development chain's old genesis."""


@pytest.fixture
def root():
    """Block 0 of a development chain, as the chain spec gives it."""
    spec = dev_spec()
    return TrustedState(genesis_block(spec)[0].header, spec.validator_set())


@pytest.fixture
def policy(root):
    """To follow a development chain from its beginning."""
    return LightPolicy(root.header.id(), AGES_MS)


def test_it_follows_a_node_from_genesis(client, root, policy):
    """To the head in one step; the light block has the proofs of possession of its set."""
    height = client.wait_height(3)
    sync = follow(root, height, policy, fetch_from(client))
    assert sync.trusted.header.height == height
    (block,) = sync.trace
    assert len(block.possessions) == len(root.validators.validators) == 1
    again = follow(sync.trusted, client.wait_height(height + 1), policy, fetch_from(client))
    assert again.trusted.header.height > height


def test_blocks_without_votes_are_not_there(client):
    """Block 0, and blocks above the head."""
    for height in (0, 10**9):
        with pytest.raises(RpcFailed, match="no block"):
            fetch_from(client)(height)


def test_state_is_proved_under_the_trusted_block(client, root, policy):
    """A value and an absence at a height that is not the head."""
    client.wait_height(3)
    sync = follow(root, 2, policy, fetch_from(client))
    values = read(sync.trusted, [KEY, b"absent"], client)
    assert values == {KEY: root.validators.encode(), b"absent": None}


def test_a_witness_is_compared(client, root, policy):
    """An honest one agrees; one that changes a header is an error, and no evidence."""
    client.wait_height(3)
    primary = fetch_from(client)
    target = follow(root, 3, policy, primary).trace[-1]

    def liar(height):
        block = primary(height)
        return replace(block, header=replace(block.header, state_root=bytes(32)))

    nodes = {Side.PRIMARY: primary, Side.WITNESS: primary}
    assert compare(root, target, policy, nodes) is None
    with pytest.raises((InvalidCertificate, InvalidLightBlock)):
        compare(root, target, policy, nodes | {Side.WITNESS: liar})


def test_a_beginning_is_a_height_and_an_id(client):
    """The node's block has to have the id that people know."""
    client.wait_height(2)
    block = fetch_from(client)(2)
    assert begin(2, block.header.id(), fetch_from(client)).header == block.header
    with pytest.raises(ConfigError, match="not trusted"):
        begin(2, bytes(32), fetch_from(client))


def test_the_file_is_what_was_verified(tmp_path, root):
    """It survives its bytes; a damaged, newer or missing one is refused."""
    path = tmp_path / "light.cbor"
    kept = LightFile.of(root, root.header.id())
    kept.save(path)
    assert LightFile.load(path) == kept
    assert kept.trusted == root
    path.write_bytes(codec_of(LightFile).encode(replace(kept, version=2)))
    with pytest.raises(ConfigError, match="version 2"):
        LightFile.load(path)
    path.write_bytes(b"")
    with pytest.raises(DecodeError):
        LightFile.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        LightFile.load(tmp_path / "missing")


def test_the_command_begins_and_goes_on(client, openledger, tmp_path):
    """First from a block that is named, then from its file; with a witness, and a value read."""
    height = client.wait_height(2)
    block_id = fetch_from(client)(height).header.id().hex()
    options = ["light", "--node", client.url, "--file", str(tmp_path / "light.cbor"), "--json"]
    begun = ["--genesis", client.genesis_hash.hex(), "--trust", f"{height}:{block_id}"]
    first = json.loads(openledger(*options, *begun).stdout)
    assert first["height"] >= height
    client.wait_height(first["height"] + 1)
    second = json.loads(openledger(*options, "--witness", client.url, "--read", KEY.hex()).stdout)
    assert second["height"] > first["height"]
    assert (second["witnesses"], second["steps"]) == (1, 1)
    assert second["values"][KEY.hex()]


@pytest.mark.parametrize("trust", ["", "5", "5:ab", "x:" + "a" * 64])
def test_a_beginning_that_is_none_is_refused(client, openledger, tmp_path, trust):
    """With what to give instead."""
    options = ["--node", client.url, "--file", str(tmp_path / "f"), "--genesis", "a" * 64]
    refused = openledger("light", *options, "--trust", trust)
    assert refused.returncode == 2
    assert "people you trust" in refused.stderr


def test_trust_that_is_too_old_is_refused(client, root, monkeypatch):
    """The development chain's genesis is older than the trusting period."""
    monkeypatch.setattr(light, "_now_ms", lambda: root.header.time_ms + light.TRUSTING_PERIOD_MS)
    policy = LightPolicy(root.header.id(), light.TRUSTING_PERIOD_MS)
    with pytest.raises(TrustExpired):
        follow(root, client.wait_height(1), policy, fetch_from(client))


def _silent(_height):
    raise RpcFailed("Nothing is kept.", remedy="", kind="NotFound", code=1)


def test_two_rounds_are_completed_from_a_nodes_archive():
    """With the lower round's certificate, from whichever node has it; one round takes none."""
    numbers = (1, 2, 3, 4)
    chain = light_chain.Chain(lambda _height: numbers)
    fork = chain.fork(7, b"f")
    useless, useful = (
        light_chain.certify(
            numbers, numbers, Statement(VoteKind.NULLIFY, 7, round_, None), chain.genesis_hash
        )
        for round_ in (2, 1)
    )
    attack = LightClientAttack.of(chain.block(7), fork.block(7, round_=3))
    assert complete(attack, [_silent, lambda _height: [useless]]) == attack
    completed = complete(attack, [_silent, lambda _height: [useless, useful]])
    assert completed.certificate == useful
    plain = LightClientAttack.of(chain.block(7), fork.block(7))
    assert complete(plain, [lambda _height: [useful]]) == plain


def test_a_node_keeps_the_certificates_of_every_block(client):
    """Beside the one that decided: block 1 was notarized first.  Block 0 has none."""
    client.wait_height(1)
    (notarized,) = certificates_from(client)(1)
    assert (notarized.statement.kind, notarized.statement.height) == (VoteKind.NOTARIZE, 1)
    with pytest.raises(RpcFailed, match="no block"):
        certificates_from(client)(0)


def test_two_nodes_that_prove_different_blocks_end_it_with_evidence(
    openledger, tmp_path, monkeypatch
):
    """Exit code 1; what is printed convicts the validators who signed both."""
    numbers = (1, 2, 3, 4)
    one = light_chain.Chain(lambda _height: numbers)
    other = one.fork(7, b"f")
    chains = {"http://one": one, "http://other": other}
    monkeypatch.setattr(light, "fetch_from", lambda node: chains[node.url].block)
    monkeypatch.setattr(light, "_now_ms", lambda: light_chain.now_ms(9))
    begun = ["--genesis", one.genesis_hash.hex(), "--trust", f"2:{one.header(2).id().hex()}"]
    file = tmp_path / "light.cbor"
    urls = ["--node", "http://one", "--witness", "http://other", "--file", str(file)]
    ended = openledger("light", "9", *urls, *begun)
    assert ended.returncode == 1
    assert "different blocks of height 7" in ended.stderr
    assert not file.exists()
    evidence = Evidence.decode(bytes.fromhex(ended.stdout))
    validators = light_chain.set_of(numbers)
    sets = {validators.hash(): validators}
    verdict = judge(evidence, sets.get, one.genesis_hash, CRYPTOGRAPHY)
    assert verdict.culprits == tuple(each.account for each in validators.validators)
