"""The fuzzer of certificates finds nothing, and finds each mistake that is put in front of it."""

from __future__ import annotations

import pytest

from consensus import commit
from consensus.bls import BLS
from consensus.light import attack, verification
from tests.fuzz import certificates
from tests.fuzz.campaign import Finding, campaign

INPUTS = 4_000
UNPROVED = "a light client trusts what the chain does not say"
FRAMED = "an honest validator is convicted"


@pytest.fixture(scope="module")
def step():
    """The fuzzer's step; signing takes a second."""
    return certificates.make()


def _found(step):
    with pytest.raises(Finding) as caught:
        campaign("certificates", step, inputs=INPUTS, seed=1)
    return str(caught.value)


def test_a_short_campaign_finds_nothing(step):
    """And accepts some of its inputs, so that it tests more than the first check."""
    report = campaign("certificates", step, inputs=1_000, seed=1)
    assert 0 < report.accepted < 1_000


def test_keys_whose_possession_is_not_asked_for_are_found(step, monkeypatch):
    """A rogue key signs for everybody."""
    monkeypatch.setattr(verification, "check_possessions", lambda _block, _known: None)
    assert _found(step) == UNPROVED


def test_a_witness_that_is_not_asked_for_possession_frames_somebody(step, monkeypatch):
    """The same for evidence."""
    monkeypatch.setattr(attack, "check_possessions", lambda _block, _known: None)
    assert _found(step) == FRAMED


def test_a_third_that_is_not_counted_is_found(step, monkeypatch):
    """Any set that is made up would do."""
    monkeypatch.setattr(verification, "is_within_reach", lambda _trusted, _block: True)
    assert _found(step) == UNPROVED


class _Credulous:
    """A backend to which every aggregate is right."""

    aggregate = staticmethod(BLS.aggregate)

    @staticmethod
    def fast_aggregate_verify(_keys: object, _message: object, _signature: object) -> bool:
        return True


def test_an_aggregate_that_is_not_verified_is_found(step, monkeypatch):
    """As a commit or a block that nobody signed."""
    monkeypatch.setattr(commit, "BLS", _Credulous)
    assert _found(step) in {"a commit that nobody made", UNPROVED, FRAMED}


def test_two_rounds_that_convict_by_themselves_are_found(step, monkeypatch):
    """The honest validators of a fork may vote in two rounds."""
    monkeypatch.setattr(attack.LightClientAttack, "is_complete", property(lambda _self: True))
    monkeypatch.setattr(attack, "_certified", lambda *_arguments: None)
    monkeypatch.setattr(certificates, "_CHAIN_SIGNERS", certificates.ALL)
    assert _found(certificates.make()) == FRAMED
