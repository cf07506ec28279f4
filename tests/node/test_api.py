"""The API without a chain: request bodies, keys, the answer log, disclosure, OpenAI's shapes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.api.answers import AnswerLog, PreparedBatch
from node.api.disclosure import HEIGHTS_MAX, answers_target, check_request, sign_request
from node.api.errors import InsufficientEscrow, InvalidRequest, NotDisclosed, Overloaded
from node.api.keys import NO_LIMITS, ApiKeys, KeyLimits
from node.api.requests import TOKENS_DEFAULT, parse_completion
from node.api.responses import error_response
from node.errors import ConfigError, InUse
from runtime.keys import Keypair
from runtime.types import PPB
from runtime.wire.receipts import INFERENCE_RECEIPT_VERSION, UNSIGNED, InferenceReceipt

MODEL = "ab" * 32
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "What is a list?"}]}
USER = bytes([7]) * 32
OTHER = bytes([8]) * 32
MODEL_HASH = bytes.fromhex(MODEL)


def receipt(number, user=USER, fee=10):
    return InferenceReceipt(
        version=INFERENCE_RECEIPT_VERSION,
        genesis_hash=bytes(32),
        model=MODEL_HASH,
        base_model=bytes(32),
        server=bytes(32),
        user=user,
        request=number,
        prompt_hash=bytes(32),
        output_hash=bytes(32),
        prompt_tokens=3,
        output_tokens=4,
        lane="fast",
        temperature_ppb=0,
        seed=0,
        input_per_1000=1,
        output_per_1000=1,
        platform_fee=1,
        fee=fee,
        height=5,
        disclosed=True,
        signature=UNSIGNED,
    )


def record(log, user=USER, fee=10, disclose=True):
    return log.record(
        lambda number: receipt(number, user, fee), "asked", "answered", disclose=disclose
    )


def test_defaults_are_greedy_and_short():
    """Without options an answer is greedy, has at most 48 tokens and may be shown to workers."""
    request = parse_completion(CHAT, "chat")
    assert (request.model, request.prompt) == (MODEL_HASH, "What is a list?")
    sampling = request.sampling
    assert (request.tokens_max, sampling.temperature_ppb, sampling.seed) == (TOKENS_DEFAULT, 0, 0)
    assert request.lane == "fast"
    assert (request.stream, request.disclose, request.stops) == (False, True, ())


def test_the_last_user_message_is_the_question():
    """History and system messages are accepted; text parts are joined."""
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "old"},
        {"role": "assistant", "content": "old answer"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "ne"}, {"type": "text", "text": "w"}],
        },
    ]
    assert parse_completion(CHAT | {"messages": messages}, "chat").prompt == "new"


def test_a_sampled_answer_without_seed_draws_one():
    """Temperature is kept exactly in billionths; seeds differ unless they are given."""
    request = parse_completion(CHAT | {"temperature": 0.7}, "chat")
    assert request.sampling.temperature_ppb == 7 * PPB // 10
    sampled = CHAT | {"temperature": 1}
    seeds = {parse_completion(sampled, "chat").sampling.seed for _ in range(4)}
    assert len(seeds) == 4
    assert parse_completion(sampled | {"seed": 3}, "chat").sampling.seed == 3


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"model": "nano"}, "model"),
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content",
        ),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"seed": -1}, "seed"),
        ({"stop": [1]}, "stop"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"disclose": 0}, "disclose"),
        ({"lane": "slow"}, "lane"),
        ({"top_p": 2}, "top_p"),
        ({"presence_penalty": -3}, "presence_penalty"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"n": 2}, "n"),
        ({"tools": [{}]}, "tools"),
        ({"no_such_thing": 1}, "no_such_thing"),
    ],
)
def test_a_wrong_field_is_named(fields, parameter):
    """Every refusal says which field is wrong, and ends in what it must be."""
    with pytest.raises(InvalidRequest) as refusal:
        parse_completion(CHAT | fields, "chat")
    assert refusal.value.parameter == parameter
    assert refusal.value.remedy


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(body=JSON_VALUES, fields=st.dictionaries(st.sampled_from(sorted(CHAT)), JSON_VALUES))
@settings(deadline=None, max_examples=200)
def test_no_body_gets_through_by_surprise(body, fields):
    """Whatever JSON arrives, it is a request or an `InvalidRequest`, never another exception."""
    for candidate in (body, CHAT | fields, {"model": MODEL, "prompt": body}):
        for shape in ("chat", "text"):
            try:
                parse_completion(candidate, shape)
            except InvalidRequest:
                continue


def test_errors_have_openais_shape():
    """Message with remedy, type, param and code; only what may pass soon is to be retried."""
    refused = error_response(InsufficientEscrow("Too little.", remedy="Deposit."))
    assert refused.status == 429
    assert isinstance(refused.body, bytes)
    assert json.loads(refused.body) == {
        "error": {
            "message": "Too little. Deposit.",
            "type": "insufficient_quota",
            "param": None,
            "code": "insufficient_quota",
        }
    }
    assert dict(refused.headers)["x-should-retry"] == "false"
    busy = error_response(Overloaded("Busy.", remedy="Wait."))
    assert dict(busy.headers)["x-should-retry"] == "true"


def test_keys_map_to_accounts_and_are_not_kept(tmp_path):
    """A key is shown once, stored as a hash, found again by another process, and removable."""
    path = tmp_path / "keys.json"
    key = ApiKeys(path).add(USER, "alice")
    other = ApiKeys(path)
    found = other.find(key)
    assert found is not None
    assert (found.account, found.label, found.operator) == (USER, "alice", False)
    assert found.limits == NO_LIMITS
    assert other.find(key + "x") is None
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    limits = KeyLimits(requests_per_minute=3, fees_per_day=10**18)
    found = other.find(ApiKeys(path).add(OTHER, "bob", limits, operator=True))
    assert found is not None
    assert (found.account, found.limits, found.operator) == (OTHER, limits, True)
    assert ApiKeys(path).remove("alice") == 1
    assert other.find(key) is None


def test_a_key_file_that_others_can_read_is_refused(tmp_path):
    """A readable file is one clear sentence, and so is a damaged one."""
    path = tmp_path / "keys.json"
    ApiKeys(path).add(USER, "alice")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="Other users"):
        ApiKeys(path).entries()
    path.chmod(0o600)
    path.write_text("{")
    with pytest.raises(ConfigError, match="cannot be used"):
        ApiKeys(path).entries()


def test_the_log_remembers_what_is_owed(tmp_path):
    """Fees add up by user, survive a restart, and request numbers are never used twice."""
    log = AnswerLog(tmp_path / "answers")
    receipts = [record(log), record(log, OTHER, 5), record(log, USER, 7)]
    assert [each.request for each in receipts] == [0, 1, 2]
    log.close()
    again = AnswerLog(tmp_path / "answers")
    assert (again.owed(USER), again.owed(OTHER), again.open_count) == (17, 5, 3)
    assert record(again).request == 3
    assert again.receipts([0, 2]) == (receipts[0], receipts[2])


def test_a_settled_batch_is_paid_and_shown(tmp_path):
    """Settling takes a batch's answers off what is owed, and files them under their epoch."""
    with_texts = AnswerLog(tmp_path / "answers")
    first = record(with_texts)
    hidden = record(with_texts, disclose=False)
    record(with_texts, OTHER, 5)
    with_texts.prepare(PreparedBatch(b"r" * 32, MODEL_HASH, (0, 1)))
    with_texts.settled(4, 0)
    with_texts.close()
    log = AnswerLog(tmp_path / "answers")
    assert (log.owed(USER), log.owed(OTHER), log.prepared) == (0, 5, None)
    shown = log.settled_answers(MODEL_HASH, 4, 0, 10)
    assert [(each.receipt, each.disclose) for each in shown] == [(first, True), (hidden, False)]
    assert [each.prompt for each in shown] == ["asked", "asked"]
    assert log.settled_answers(MODEL_HASH, 4, 1, 10) == shown[1:]
    assert log.settled_answers(MODEL_HASH, 5, 0, 10) == ()


def test_a_crash_while_settling_leaves_the_batch_prepared(tmp_path):
    """The batch that was about to be submitted is known after a restart; dropping it reopens it."""
    log = AnswerLog(tmp_path / "answers")
    record(log)
    batch = PreparedBatch(b"r" * 32, MODEL_HASH, (0,))
    log.prepare(batch)
    log.close()
    log = AnswerLog(tmp_path / "answers")
    assert log.prepared == batch
    assert log.open_count == 1
    log.dropped()
    log.close()
    log = AnswerLog(tmp_path / "answers")
    assert (log.prepared, log.owed(USER), log.open_count) == (None, 10, 1)


def test_two_servers_cannot_share_a_log(tmp_path):
    """The second process is refused while the first one lives."""
    log = AnswerLog(tmp_path / "answers")
    with pytest.raises(InUse):
        AnswerLog(tmp_path / "answers")
    log.close()


def test_a_signed_request_is_good_for_one_thing():
    """Another target, server, chain, key or age makes the signature worthless."""
    worker, server, genesis = Keypair.from_seed(bytes(32)), b"s" * 32, b"g" * 32
    target = answers_target(MODEL_HASH, 3, 0)
    headers = sign_request(worker, genesis, server, target, 100)
    assert check_request(headers, genesis, server, target, 100).account == worker.account
    assert check_request(headers, genesis, server, target, 100 + HEIGHTS_MAX)
    for arguments in (
        (genesis, server, answers_target(MODEL_HASH, 3, 1), 100),
        (genesis, b"t" * 32, target, 100),
        (b"h" * 32, server, target, 100),
        (genesis, server, target, 101 + HEIGHTS_MAX),
    ):
        with pytest.raises(NotDisclosed):
            check_request(headers, *arguments)
    forged = headers | {"x-openledger-account": OTHER.hex()}
    with pytest.raises(NotDisclosed):
        check_request(forged, genesis, server, target, 100)
    with pytest.raises(InvalidRequest):
        check_request({}, genesis, server, target, 100)
