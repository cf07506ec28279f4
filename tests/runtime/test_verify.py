"""Receipts verify offline, link by link; nothing in them can be changed; their bytes are pinned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.bls import BLS, key_gen
from consensus.commit import commit_of
from consensus.cryptography import key_scheme
from consensus.light import check_commit
from consensus.votes import Statement, VoteKind, sign_vote
from runtime.block import Header
from runtime.codec import codec_of
from runtime.errors import InvalidProof, OpenLedgerError
from runtime.hashing import ZERO_HASH, hash_state_key, hash_state_value
from runtime.keys import Keypair
from runtime.merkle import list_path, list_root, sum_path, sum_root
from runtime.state.proof import prove_entry
from runtime.state.tree import Tree
from runtime.storage import storage_key
from runtime.wire.receipts import UNSIGNED, InferenceReceipt, PayoutReceipt
from runtime.wire.records import (
    AnswerBatch,
    DatanetVersion,
    Job,
    JobState,
    Model,
    PayoutLeaf,
    Prices,
    RowSource,
    ScoreLeaf,
    Settlement,
    Shares,
    TrainingOutcome,
    training_order,
)
from runtime.wire.rows import RowRecord
from runtime.wire.training_parameters import Schedule, TrainingParameters
from runtime.wire.validators import Validator, ValidatorSet
from runtime.wire.verify import verify_inference, verify_payout

VECTORS = Path(__file__).parent / "vectors"
LINKS = ("chain", "block", "row", "job", "model", "answer", "score", "payout")
ADAPTER, BASE_MODEL = b"A" * 32, b"B" * 32
EPOCH, BATCH, JOB, DATANET, VERSION = 4, 1, 9, 2, 3
ROW_INDEX, ANSWER_INDEX, PAYOUT_INDEX = 5, 2, 1
INDICES = {
    "row": ROW_INDEX,
    "score": ROW_INDEX,
    "payout": PAYOUT_INDEX,
    "answer": ANSWER_INDEX,
}

_OWNER, _SERVER, _OTHER = (Keypair.from_seed(bytes([seed]) * 32) for seed in (1, 2, 3))
_VALIDATOR_KEYS = sorted(
    (Keypair.from_seed(bytes([seed]) * 32) for seed in (10, 11, 12, 13)),
    key=lambda pair: pair.account,
)
_BLS_SECRETS = [key_gen(pair.seed) for pair in _VALIDATOR_KEYS]
VALIDATORS = ValidatorSet(
    tuple(
        Validator(pair.account, 10, pair.account, BLS.public_key(secret))
        for pair, secret in zip(_VALIDATOR_KEYS, _BLS_SECRETS, strict=True)
    )
)


def _header(**changes):
    values = {
        "height": 0,
        "parent_hash": ZERO_HASH,
        "time_ms": 1_700_000_000_000,
        "proposer": _VALIDATOR_KEYS[0].account,
        "state_root": ZERO_HASH,
        "extrinsics_root": list_root([]),
        "events_root": list_root([]),
        "validators_hash": VALIDATORS.hash(),
        "next_validators_hash": VALIDATORS.hash(),
        "last_commit_hash": ZERO_HASH,
        "evidence_root": list_root([]),
        "spec_version": 1,
        "beacon": ZERO_HASH,
        "beacon_proof": b"",
    }
    return Header(**{**values, **changes})


GENESIS = _header()


def _answer(number, signer=_SERVER, **changes):
    values = {
        "version": 1,
        "genesis_hash": GENESIS.id(),
        "model": ADAPTER,
        "base_model": BASE_MODEL,
        "server": _SERVER.account,
        "user": _OTHER.account,
        "request": number,
        "prompt_hash": bytes([number]) * 32,
        "output_hash": bytes([number + 100]) * 32,
        "prompt_tokens": 17,
        "output_tokens": 29,
        "lane": "verifiable",
        "temperature_ppb": 0,
        "seed": number,
        "input_per_1000": 10**18,
        "output_per_1000": 3 * 10**18,
        "platform_fee": 10**15,
        "fee": 105 * 10**15,
        "height": 120,
        "disclosed": True,
        "signature": UNSIGNED,
    }
    receipt = InferenceReceipt(**{**values, **changes})
    return replace(receipt, signature=signer.sign(receipt.signing_payload()))


def _encode(record):
    return codec_of(type(record)).encode(record)


def _commit(header, genesis_hash):
    statement = Statement(VoteKind.FINALIZE, header.height, 1, header.id())
    scheme = key_scheme(VALIDATORS, genesis_hash)
    votes = {
        index: sign_vote(
            statement,
            scheme.payload(statement),
            _VALIDATOR_KEYS[index].account,
            _VALIDATOR_KEYS[index].sign,
            partial(BLS.sign, _BLS_SECRETS[index]),
        )
        for index in (0, 1, 3)
    }
    certificate = scheme.certify(statement, votes)
    assert certificate is not None
    return _encode(commit_of(certificate))


def _order(datanet, version):
    parameters = TrainingParameters(
        learning_rate_ppb=2_000_000,
        schedule=Schedule.CONSTANT,
        steps=60,
        batch_rows=50,
        rank=8,
        alpha=16,
        dropout_ppb=0,
        warmup_steps=6,
        weight_decay_ppb=0,
        epsilon_ppb=10,
        clip_norm_ppb=0,
        tokens_max=48,
        packing=False,
        prompt_template="",
        checkpoint_count=3,
        validation_ppb=100_000_000,
        seed=0,
        target_modules=("q_proj", "v_proj"),
    )
    return training_order(BASE_MODEL, (RowSource(datanet, version), RowSource(7, 1)), parameters)


def _job():
    outcome = TrainingOutcome(ADAPTER, b"t" * 32, b"T" * 32, b"S" * 32, 62, 0, 3 * 10**9, 2 * 10**9)
    return Job(
        owner=_OTHER.account,
        order=_order(DATANET, VERSION),
        fee=10**19,
        bond=10**20,
        panel=(),
        panel_pay=0,
        state=JobState.SETTLED,
        worker=_SERVER.account,
        claimed_at=50,
        deadline=100,
        result=outcome,
    )


_SCORE = ScoreLeaf(b"R" * 32, _OWNER.account, 12_345, 345, 12_000)


def _leaves(changes):
    """The lists behind the roots: rows, scores, payouts and answers, with one changed leaf each."""
    lists: dict[str, list[Any]] = {
        "row": [RowRecord(bytes([n]) * 32, _OTHER.account, 0, n) for n in range(11)],
        "score": [ScoreLeaf(bytes([n]) * 32, _OTHER.account, n, 1, n) for n in range(11)],
        "payout": [PayoutLeaf(bytes([n]) * 32, 10**16 + n) for n in range(3)],
        "answer": [_answer(n) for n in range(5)],
    }
    chosen: dict[str, Any] = {
        "row": RowRecord(b"R" * 32, _OWNER.account, 1, ROW_INDEX),
        "score": _SCORE,
        "payout": PayoutLeaf(_OWNER.account, 7 * 10**16),
    }
    for name, leaf in chosen.items():
        lists[name][INDICES[name]] = replace(leaf, **changes.get(name, {}))
    lists["answer"][ANSWER_INDEX] = _answer(ANSWER_INDEX, **changes.get("answer", {}))
    return lists


def _records(rows_root, scores, payouts, answers):
    """The state records that name those roots; all but the first are sum leaves."""
    (payout_root, pool), (receipts_root, fees) = sum_root(payouts), sum_root(answers)
    scores_root, credit = sum_root(scores)
    shares = Shares(300_000_000, 100_000_000, 200_000_000, 400_000_000)
    prices = Prices(10**18, 3 * 10**18)
    server = _SERVER.account
    return {
        "version": DatanetVersion(rows_root, 11, b"w" * 32, b"v" * 32, 12, 40),
        "job": _job(),
        "model": Model(_OTHER.account, BASE_MODEL, JOB, DATANET, VERSION, True, prices, shares),
        "batch": AnswerBatch(
            server, receipts_root, b"b" * 32, len(answers), fees, 5 * 10**15, pool, 130
        ),
        "settlement": Settlement(
            worker=server,
            job=JOB + 1,
            pool=pool,
            payout_root=payout_root,
            leaf_count=len(payouts),
            payouts=b"p" * 32,
            scores_root=scores_root,
            credits=credit,
            scores=b"s" * 32,
            nodes=2,
            settled_at=140,
        ),
    }


def _state(records, changes):
    """The state tree, and the proof of every record under the key where it is looked for."""
    keys = {
        "version": storage_key("Datanets", "versions", DATANET, VERSION),
        "job": storage_key("Compute", "jobs", JOB),
        "model": storage_key("Models", "models", ADAPTER),
        "batch": storage_key("Inference", "batches", ADAPTER, EPOCH, BATCH),
        "settlement": storage_key("Attribution", "settlements", ADAPTER, EPOCH),
    }
    keys.update(changes.get("keys", {}))
    state = {b"filler %d" % n: b"value %d" % n for n in range(40)}
    for name, record in records.items():
        if name not in changes.get("removed", ()):
            state[keys[name]] = _encode(replace(record, **changes.get(name, {})))
    pairs = ((hash_state_key(k), hash_state_value(v)) for k, v in state.items())
    tree = Tree().update(pairs)
    entries = {
        f"{name}_entry": prove_entry(tree, key, state.get(key)) for name, key in keys.items()
    }
    return tree.root, entries


def _build(**changes):
    """A complete receipt; `changes` replace fields of its parts, and all the rest is made to fit."""
    lists = _leaves(changes)
    rows = [_encode(leaf) for leaf in lists["row"]]
    scores = [(_encode(leaf), leaf.credit) for leaf in lists["score"]]
    payouts = [(_encode(leaf), leaf.amount) for leaf in lists["payout"]]
    answers = [(leaf.encode(), leaf.fee) for leaf in lists["answer"]]
    records = _records(list_root(rows), scores, payouts, answers)
    state_root, entries = _state(records, changes)
    genesis = replace(GENESIS, **changes.get("genesis", {}))
    header = _header(height=150, parent_hash=b"h" * 32, state_root=state_root)
    header = replace(header, **changes.get("header", {}))
    receipt = PayoutReceipt(
        version=1,
        genesis_header=_encode(genesis),
        header=_encode(header),
        commit=_commit(header, genesis.id()),
        validators=VALIDATORS.encode(),
        row_path=list_path(rows, ROW_INDEX),
        datanet=DATANET,
        datanet_version=VERSION,
        job=JOB,
        model=ADAPTER,
        epoch=EPOCH,
        answer_path=sum_path(answers, ANSWER_INDEX),
        batch=BATCH,
        score_path=sum_path(scores, ROW_INDEX),
        payout_path=sum_path(payouts, PAYOUT_INDEX),
        **{name: leaves[INDICES[name]] for name, leaves in lists.items()},
        **entries,
    )
    return replace(receipt, **changes.get("receipt", {}))


RECEIPT = _build()


def _verify(receipt, genesis_hash=None):
    return verify_payout(receipt, check_commit, genesis_hash or GENESIS.id())


def test_a_good_receipt_verifies_link_by_link():
    """Every link gives a sentence and facts; the encoded receipt verifies like the object."""
    steps = _verify(RECEIPT)
    assert tuple(step.link for step in steps) == LINKS
    assert all(step.sentence.endswith(".") and step.facts for step in steps)
    again = codec_of(PayoutReceipt).decode(RECEIPT.encode())
    assert again == RECEIPT
    assert _verify(again) == steps
    _verify(_build(answer={"height": 150}))


def test_a_record_that_is_not_there_is_named():
    """A proof of absence is no record."""
    for name in ("version", "job", "model", "batch", "settlement"):
        with pytest.raises(InvalidProof, match="no such record"):
            _verify(_build(removed=[name]))


def test_without_a_trusted_genesis_the_reader_is_told_to_compare():
    """The receipt names its chain; the first step says that this is all it shows."""
    trusted, untrusted = _verify(RECEIPT), verify_payout(RECEIPT, check_commit, None)
    assert "you trust" in trusted[0].sentence
    assert "compare" in untrusted[0].sentence
    assert trusted[1:] == untrusted[1:]


OTHER = _OTHER.account
BROKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "another version of the format": ("chain", {"receipt": {"version": 2}}),
    "a genesis that is none": ("chain", {"genesis": {"height": 1}}),
    "other validators than genesis": ("block", {"genesis": {"next_validators_hash": b"x" * 32}}),
    "a header of another set": ("block", {"header": {"validators_hash": b"x" * 32}}),
    "a quorum that is none": ("block", {"receipt": {"commit": b"\x80"}}),
    "a row outside the version": ("row", {"version": {"rows_root": b"x" * 32}}),
    "another number of rows": ("row", {"version": {"row_count": 12}}),
    "a version under another key": ("row", {"keys": {"version": b"elsewhere"}}),
    "a version that is not there": ("row", {"removed": ["version"]}),
    "a job for another Datanet": ("job", {"job": {"order": _order(3, VERSION)}}),
    "a job for another version": ("job", {"job": {"order": _order(DATANET, 4)}}),
    "a job not settled": ("job", {"job": {"state": JobState.COMMITTED}}),
    "a job under another key": ("job", {"keys": {"job": b"elsewhere"}}),
    "a job without result": ("model", {"job": {"result": None}}),
    "a job with another result": (
        "model",
        {"job": {"result": replace(_job().result, adapter=b"x" * 32)}},
    ),
    "a model of another job": ("model", {"model": {"job": 8}}),
    "a model of another Datanet": ("model", {"model": {"datanet": 8}}),
    "a model of another version": ("model", {"model": {"version": 8}}),
    "a model of another base": ("model", {"model": {"base_model": b"x" * 32}}),
    "a model under another key": ("model", {"keys": {"model": b"elsewhere"}}),
    "a model that is not there": ("model", {"removed": ["model"]}),
    "an answer of another model": ("answer", {"answer": {"model": b"x" * 32}}),
    "an answer of another base": ("answer", {"answer": {"base_model": b"x" * 32}}),
    "an answer of another chain": ("answer", {"answer": {"genesis_hash": b"x" * 32}}),
    "an answer of another version": ("answer", {"answer": {"version": 2}}),
    "an answer signed by nobody": ("answer", {"answer": {"signer": _OTHER}}),
    "an answer of another server": ("answer", {"answer": {"signer": _OTHER, "server": OTHER}}),
    "an answer above its price": ("answer", {"answer": {"fee": 106 * 10**15}}),
    "an answer in an unknown lane": ("answer", {"answer": {"lane": "slow"}}),
    "an answer from the future": ("answer", {"answer": {"height": 151}}),
    "a batch of another server": ("answer", {"batch": {"server": OTHER}}),
    "a batch of other answers": ("answer", {"batch": {"receipts_root": b"x" * 32}}),
    "a batch of other fees": ("answer", {"batch": {"fees": 1}}),
    "a batch of another number": ("answer", {"batch": {"answer_count": 4}}),
    "a batch under another key": ("answer", {"keys": {"batch": b"elsewhere"}}),
    "a score of another row": ("score", {"score": {"row_hash": b"x" * 32}}),
    "a score of another owner": ("score", {"score": {"owner": OTHER}}),
    "scores of another epoch": ("score", {"settlement": {"scores_root": b"x" * 32}}),
    "another sum of credits": ("score", {"settlement": {"credits": 1}}),
    "more credit than was given": ("score", {"receipt": {"score": replace(_SCORE, credit=12_001)}}),
    "a settlement under another key": ("score", {"keys": {"settlement": b"elsewhere"}}),
    "a payout of another owner": ("payout", {"payout": {"owner": OTHER}}),
    "another pool": ("payout", {"settlement": {"pool": 1}}),
    "another number of payouts": ("payout", {"settlement": {"leaf_count": 4}}),
    "payouts of another epoch": ("payout", {"settlement": {"payout_root": b"x" * 32}}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_link_is_named(name):
    """Everything else fits, signatures included: one link is broken, and the error says which."""
    link, changes = BROKEN[name]
    genesis_hash = replace(GENESIS, **changes.get("genesis", {})).id()
    with pytest.raises(InvalidProof, match=f"The link '{link}'") as caught:
        _verify(_build(**changes), genesis_hash)
    assert caught.value.remedy


def test_a_receipt_of_another_chain_is_refused():
    """The reader's genesis hash decides."""
    with pytest.raises(InvalidProof, match="another chain"):
        _verify(RECEIPT, b"x" * 32)


def _variants(value: Any) -> Iterator[Any]:
    """Other values of the same type near `value`."""
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            for other in _variants(getattr(value, field.name)):
                yield replace(value, **{field.name: other})
    elif isinstance(value, IntEnum | bool):
        yield from {*(type(value) if isinstance(value, IntEnum) else (True, False))} - {value}
    elif isinstance(value, int):
        yield from (other for other in (0, value - 1, value + 1, value + 2**20) if other != value)
    elif isinstance(value, str):
        yield from {value + "x", ""} - {value}
    elif isinstance(value, bytes):
        yield value + b"\x00"
        if value:
            yield from (b"", value[1:], bytes([value[0] ^ 1]) + value[1:])
            yield value[:-1] + bytes([value[-1] ^ 128])
    elif isinstance(value, tuple) and value:
        yield from (value[1:], value[:-1], (*value, value[0]), value[::-1])
        places = ((index, other) for index, item in enumerate(value) for other in _variants(item))
        yield from ((*value[:index], other, *value[index + 1 :]) for index, other in places)


def _is_refused(receipt):
    try:
        _verify(receipt)
    except OpenLedgerError:
        return True
    return False


@pytest.mark.parametrize("name", [field.name for field in fields(PayoutReceipt)])
def test_no_field_can_be_replaced(name):
    """Every value in every part, however deep, is bound by some link."""
    count = 0
    for other in _variants(getattr(RECEIPT, name)):
        if other != getattr(RECEIPT, name):
            assert _is_refused(replace(RECEIPT, **{name: other})), other
            count += 1
    assert count


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("genesis_header", Header),
        ("header", Header),
        ("validators", ValidatorSet),
        ("version_entry", DatanetVersion),
        ("job_entry", Job),
        ("model_entry", Model),
        ("batch_entry", AnswerBatch),
        ("settlement_entry", Settlement),
    ],
)
def test_no_field_of_an_encoded_part_can_be_replaced(name, record):
    """Headers, validators and state values, decoded, changed and encoded again."""
    part = getattr(RECEIPT, name)
    codec = codec_of(record)
    decoded = codec.decode(part if isinstance(part, bytes) else part.value)
    count = 0
    for other in _encodable_variants(decoded, codec):
        changed = other if isinstance(part, bytes) else replace(part, value=other)
        assert _is_refused(replace(RECEIPT, **{name: changed}))
        count += 1
    assert count


def _encodable_variants(value, codec):
    for field in fields(value):
        for other in _variants(getattr(value, field.name)):
            try:
                yield codec.encode(replace(value, **{field.name: other}))
            except OpenLedgerError:
                continue


@settings(deadline=None, max_examples=400)
@given(st.integers(0, len(RECEIPT.encode()) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(position, change):
    """A flipped byte anywhere fails to decode or to verify."""
    data = RECEIPT.encode()
    bad = data[:position] + bytes([data[position] ^ change]) + data[position + 1 :]
    with pytest.raises(OpenLedgerError):
        _verify(codec_of(PayoutReceipt).decode(bad))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, len(RECEIPT.encode()) - 1), st.binary(max_size=9))
def test_no_receipt_is_cut_short_or_has_an_end_of_its_own(length, tail):
    """Neither a part nor more than the whole decodes."""
    data = RECEIPT.encode()
    for bad in (data[:length] + tail[:1], data + b"\x00" + tail):
        with pytest.raises(OpenLedgerError):
            _verify(codec_of(PayoutReceipt).decode(bad))


def test_an_answer_verifies_alone():
    """Signature, price and chain, without the chain's help; facts for display."""
    (step,) = verify_inference(RECEIPT.answer, GENESIS.id())
    assert dict(step.facts)["fee"] == str(105 * 10**15)
    assert verify_inference(RECEIPT.answer, None) == (step,)
    for other in _variants(RECEIPT.answer):
        with pytest.raises(OpenLedgerError):
            verify_inference(other, GENESIS.id())


@pytest.mark.parametrize(
    ("name", "value"),
    [("inference_receipt_v1", RECEIPT.answer), ("payout_receipt_v1", RECEIPT)],
)
def test_the_bytes_of_version_1_are_pinned(name, value):
    """Receipts written today are read for ever; see vectors/README.md."""
    pinned = bytes.fromhex((VECTORS / f"{name}.hex").read_text())
    assert value.encode() == pinned
    assert codec_of(type(value)).decode(pinned) == value
