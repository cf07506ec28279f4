"""The fuzzers: short runs find nothing, and each finds a mistake that is put in front of it."""

from __future__ import annotations

import json
from random import Random

import pytest

from node.p2p import frames, handshake, messages
from node.p2p.errors import HandshakeForged
from runtime import cbor
from runtime.state import multiproof, proof, snapshot
from runtime.state.snapshot import SnapshotTree
from tests.fuzz import (
    chains,
    consensus,
    decoder,
    evidence,
    extrinsics,
    handshakes,
    mutation,
    proofs,
    reference_cbor,
    rpc,
    snapshots,
    wire,
)
from tests.fuzz.campaign import Finding, campaign, main
from tests.fuzz.multiproofs import Multiproofs

FUZZERS = {
    each.__name__.rsplit(".")[-1]: each
    for each in (consensus, decoder, evidence, extrinsics, handshakes, proofs, rpc, snapshots, wire)
}


@pytest.mark.parametrize("name", FUZZERS)
def test_a_short_campaign_finds_nothing(name):
    """And accepts some of its inputs, so that it tests more than the first check."""
    report = campaign(name, FUZZERS[name].make(), inputs=2_000, seed=1)
    assert report.inputs == 2_000
    assert 0 < report.accepted < 2_000


def test_chains_are_campaigns_too():
    """An input is a block."""
    report = campaign("chains", chains.make(), inputs=60, seed=1)
    assert 0 < report.accepted <= 60


def test_a_seed_repeats_its_inputs():
    """From any input on: what is found is found again."""
    taken: list[list[float]] = []

    def step(random: Random) -> bool:
        taken[-1].append(random.random())
        return True

    for first, inputs in ((0, 2_500), (2_000, 2_500), (2_300, 2_500)):
        taken.append([])
        campaign("test", step, inputs=inputs, seed=3, first=first)
    whole, later, latest = taken
    assert whole[2_000:] == later == latest


def test_a_finding_says_how_to_repeat_it(monkeypatch, capsys):
    """The command line ends with 1, and prints seed, place and input."""

    def make():
        def step(random: Random) -> bool:
            if random.random() > 0.99:
                raise Finding("something is wrong", b"\x01\x02")
            return False

        return step

    monkeypatch.setattr("sys.argv", ["fuzz", "--inputs", "5000", "--seed", "9"])
    with pytest.raises(SystemExit) as ended:
        main("test", make)
    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert "something is wrong" in told
    assert "repeat with --seed 9 --first 0 --inputs" in told
    assert "input: 0102" in told


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_clean_campaign_reports(options, monkeypatch, capsys):
    """In a sentence, or as JSON."""
    monkeypatch.setattr("sys.argv", ["fuzz", "--inputs", "50", "--seed", "9", *options])
    main("test", lambda: lambda _random: True)
    told = capsys.readouterr().out
    if options:
        report = json.loads(told)
        assert (report["inputs"], report["accepted"], report["seed"]) == (50, 50, 9)
    else:
        assert told.startswith("test: 50 inputs, 50 accepted, ")


def test_a_lax_decoder_is_found(monkeypatch):
    """A decoder that does not look at the form accepts what the reference refuses."""
    monkeypatch.setattr(cbor, "check_length", lambda _data, _size: None)
    with pytest.raises(Finding, match=r"only runtime\.cbor accepts"):
        campaign("decoder", decoder.make(), inputs=5_000, seed=1)


def test_a_forged_signature_is_found(monkeypatch):
    """An extrinsic that nobody signed may not pass."""
    step = extrinsics.make()
    monkeypatch.setattr("runtime.extrinsic.verify", lambda *_signed: True)
    with pytest.raises(Finding, match="nobody signed"):
        campaign("extrinsics", step, inputs=5_000, seed=1)


def test_a_verifier_that_does_not_look_at_the_root_is_found(monkeypatch):
    """A bucket that leads nowhere shows whatever its prover likes."""

    class AnyRoot(bytes):
        def __ne__(self, other: object) -> bool:
            return False

    monkeypatch.setattr(proof, "_root_of", lambda *_proof: AnyRoot())
    with pytest.raises(Finding, match="shows what is not in the tree"):
        campaign("proofs", proofs.make(), inputs=50_000, seed=1)


def test_a_verifier_that_forgets_the_count_is_found(monkeypatch):
    """A path of another count shows a leaf at another place."""
    monkeypatch.setattr("runtime.merkle.bind_list", lambda _count, node: node)
    with pytest.raises(Finding, match="not in the list"):
        campaign("proofs", proofs.make(), inputs=50_000, seed=1)


NOT_IN_THE_TREE = "a multiproof shows what is not in the tree"
SECOND_PROOF = "there is a second multiproof of the same keys"


def _multiproof_findings() -> set[str]:
    """All that is found, since a mistake that shows in two ways may not hide one of them."""
    step, random, found = Multiproofs().step, Random(1), set()
    for _ in range(5_000):
        try:
            step(random)
        except Finding as finding:
            found.add(str(finding))
    return found


def test_a_sound_verifier_of_multiproofs_accepts_nothing_else():
    """Without a planted mistake there is no finding."""
    assert _multiproof_findings() == set()


def test_a_multiproof_of_another_root_is_found(monkeypatch):
    """A verifier that computes a root, and does not compare it, believes any value."""
    hash_subtree = multiproof._Verifier.hash_subtree

    class AnyRoot(bytes):
        def __ne__(self, other: object) -> bool:
            return False

    monkeypatch.setattr(
        multiproof._Verifier,
        "hash_subtree",
        lambda *subtree: AnyRoot(hash_subtree(*subtree)),
    )
    assert NOT_IN_THE_TREE in _multiproof_findings()


def test_a_value_hidden_beside_its_entry_is_found(monkeypatch):
    """An entry may not be denied while its pair is in the bucket all the same."""

    class Forgetful(dict):
        def __contains__(self, _key: object) -> bool:
            return False

    monkeypatch.setattr(multiproof, "dict", Forgetful, raising=False)
    assert NOT_IN_THE_TREE in _multiproof_findings()


def test_an_entry_that_is_given_twice_is_found(monkeypatch):
    """Unsorted entries could deny a key, and give its value to the hash."""
    monkeypatch.setattr(multiproof, "pairwise", lambda _keys: ())
    assert NOT_IN_THE_TREE in _multiproof_findings()


def test_a_second_multiproof_of_the_same_keys_is_found(monkeypatch):
    """What is left over has no effect on the root, so only its check can refuse it."""
    monkeypatch.setattr(multiproof._Verifier, "check_used", lambda _self: None)
    assert _multiproof_findings() == {SECOND_PROOF}


def test_a_handshake_that_believes_any_proof_is_found(monkeypatch):
    """A changed header would otherwise be noticed by the first frame only."""
    step = handshakes.make()
    monkeypatch.setattr(frames.Opener, "_pull", lambda _self, _sealed: b"")
    with pytest.raises(Finding, match=r"a changed message [34] makes a session"):
        campaign("handshakes", step, inputs=5_000, seed=1)


def test_a_handshake_that_believes_any_claim_is_found(monkeypatch):
    """Neither sealed nor signed nor bound to what was said before."""
    monkeypatch.setattr(handshake, "_hash_transcript", lambda _data: bytes(32))
    step = handshakes.make()
    opened = handshake._open

    def believe(shared, transcript, role, sealed):
        try:
            return opened(shared, transcript, role, sealed)
        except HandshakeForged:
            return handshake.RemoteNode(sealed[:32], 0)

    monkeypatch.setattr(handshake, "_open", believe)
    with pytest.raises(Finding, match="a changed message 3 makes a session"):
        campaign("handshakes", step, inputs=20_000, seed=1)


def test_a_frame_that_is_not_authenticated_is_found(monkeypatch):
    """What comes out is not what was sent."""
    monkeypatch.setattr(frames.Opener, "_pull", lambda _self, sealed: sealed[17:])
    with pytest.raises(Finding, match="decrypts to what was not sent"):
        campaign("wire", wire.make(), inputs=5_000, seed=1)


def test_a_message_whose_size_is_not_checked_is_found(monkeypatch):
    """A peer could make the node hold anything."""
    monkeypatch.setattr(messages.Reassembler, "_begin", lambda *_message: True)
    with pytest.raises(Finding, match=r"too large|nobody waits"):
        campaign("wire", wire.make(), inputs=20_000, seed=1)


def test_the_reference_refuses_what_the_rfc_does_not_call_deterministic():
    """Each with its reason."""
    for data, reason in (
        ("", "cut off"),
        ("1817", "longer than it has to be"),
        ("1c", "reserved"),
        ("5f", "indefinite"),
        ("f90000", "a float"),
        ("f818", "simple value"),
        ("f7", "major type 7"),
        ("a0", "major type 5"),
        ("c101", "the tag 1"),
        ("c248ffffffffffffffff", "bignum that is longer"),
        ("c24900ffffffffffffffff", "bignum that is longer"),
        ("c201", "something else than bytes"),
        ("42ff", "cut off"),
        ("82ff", "cut off|reserved|indefinite"),
        ("9b00000001000000000f", "array is cut off"),
        ("61ff", "not UTF-8"),
        ("0000", "bytes after"),
        ("81" * 33 + "00", "too deep"),
    ):
        with pytest.raises(reference_cbor.NotCanonical, match=reason):
            reference_cbor.decode(bytes.fromhex(data))


def test_mutations_stay_within_their_bound():
    """No input grows without limit."""
    random = Random(1)
    seeds = [bytes(mutation.INPUT_BYTES_MAX), b"a"]
    assert max(len(mutation.mutate(random, seeds)) for _ in range(2_000)) <= 8_192


def test_the_consensus_fuzzer_finds_a_log_without_checksums(monkeypatch):
    """A record that was changed is not one that was written."""
    monkeypatch.setattr("consensus.log._checksum", lambda _: bytes(32))
    with pytest.raises(Finding, match="never written"):
        campaign("consensus", consensus.make(), inputs=5_000, seed=1)


def test_the_consensus_fuzzer_finds_an_engine_without_signatures(monkeypatch):
    """A decision whose signatures nobody made is not one."""
    monkeypatch.setattr("consensus.scheme.Scheme.verify_certificate", lambda *_: (0, 1, 2))
    with pytest.raises(Finding, match="no quorum"):
        campaign("consensus", consensus.make(), inputs=20_000, seed=1)


def test_a_snapshot_whose_root_is_not_compared_is_found(monkeypatch):
    """A peer could give a node any state."""
    monkeypatch.setattr(SnapshotTree, "check", lambda self: self._pairs)
    with pytest.raises(Finding, match="not of its header"):
        campaign("snapshots", snapshots.make(), inputs=5_000, seed=1)


def test_a_chunk_that_is_not_compared_is_found(monkeypatch):
    """What a peer sends is blamed on its chunk, before all of them are there."""
    step = snapshots.make()

    class AnyHash(bytes):
        def __ne__(self, other: object) -> bool:
            return False

    monkeypatch.setattr(snapshot, "hash_snapshot_chunk", lambda _data: AnyHash())
    with pytest.raises(Finding, match="does not name"):
        campaign("snapshots", step, inputs=20_000, seed=1)


@pytest.mark.parametrize(
    ("place", "mistake"),
    [
        ("consensus.evidence._verify", lambda *_: 0),
        ("consensus.scheme.Scheme.is_bad_share", lambda *_: True),
        ("consensus.scheme.Scheme.verify_certificate", lambda *_: (0, 1, 2, 3)),
    ],
)
def test_evidence_that_is_not_verified_is_found(monkeypatch, place, mistake):
    """Votes, shares and certificates: each would convict somebody honest."""
    step = evidence.make()
    monkeypatch.setattr(place, mistake)
    with pytest.raises(Finding, match="honest validator is convicted"):
        campaign("evidence", step, inputs=20_000, seed=1)
