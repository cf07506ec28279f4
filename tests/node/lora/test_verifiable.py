"""The lane `verifiable` over HTTP: what it answers, and what checks it afterwards."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from genesis.scenes import unsigned_receipt
from node.answer_files import AnswerFileError, AnswerWrong, KeptAnswer, check_answer, read_answer
from node.api.evidence import sign_evidence
from node.cli.main import app
from runtime.hashing import hash_text
from runtime.keys import Keypair

# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

SERVER = Keypair.from_seed(bytes(32))


def ask(url: str, **fields: object) -> httpx.Response:
    body = {
        "model": "red",
        "messages": [{"role": "user", "content": "What is red?"}],
        "max_tokens": 9,
        "lane": "verifiable",
    }
    return httpx.post(f"{url}/v1/chat/completions", json=body | fields, timeout=60)


@pytest.fixture
def answers(with_server, tmp_path):
    """Files of a greedy answer, of a drawn one, and of one that a stop string ended."""

    def work(url):
        greedy = ask(url).json()
        stop = greedy["choices"][0]["message"]["content"][2:4]
        bodies = [greedy, ask(url, temperature=1, seed=2**62).json(), ask(url, stop=stop).json()]
        paths = [tmp_path / f"answer-{number}.json" for number in range(len(bodies))]
        for path, body in zip(paths, bodies, strict=True):
            path.write_text(json.dumps(body))
        return paths

    return with_server(work)


def test_an_answer_is_checked_from_its_file(answers, base, store):
    """By one prefill over the model's files: greedy, drawn from a seed, or cut at a stop string."""
    for path in answers:
        said = list(check_answer(read_answer(path), base, store / "red"))
        assert "no receipt" in said[0]
        assert "all" in said[3]
    command = ["answer", "verify", str(answers[0]), "--base", str(base)]
    held = CliRunner().invoke(app, [*command, "--adapter", str(store / "red"), "--json"])
    assert (held.exit_code, json.loads(held.output)["holds"]) == (0, True)
    failed = CliRunner().invoke(app, [*command, "--adapter", str(store / "green")])
    assert failed.exit_code == 1
    assert "FAILED: The adapter in" in failed.output


def test_a_changed_answer_is_found_out(answers, base, store):
    """Another token, state, seed, text or adapter does not hold."""
    kept = read_answer(answers[1])
    evidence = kept.evidence
    other = (evidence.tokens[4] + 1) % 200
    changes = {
        "token 5": replace(evidence, tokens=(*evidence.tokens[:4], other, *evidence.tokens[5:])),
        "token 1 ": replace(evidence, states=(bytes(32), *evidence.states[1:])),
        "token": replace(evidence, seed=evidence.seed - 1),
        "--adapter": evidence,
    }
    for sentence, changed in changes.items():
        folder = None if sentence == "--adapter" else store / "red"
        with pytest.raises(AnswerWrong) as wrong:
            list(check_answer(replace(kept, evidence=changed), base, folder))
        assert sentence in str(wrong.value)
    with pytest.raises(AnswerWrong, match="text"):
        list(check_answer(replace(kept, text="Red is blue."), base, store / "red"))


def signed(kept: KeptAnswer, **changes: Any) -> KeptAnswer:
    """A kept answer with the receipt that a paid server gives."""
    evidence = kept.evidence
    said: dict[str, Any] = {
        "model": evidence.adapter,
        "base_model": evidence.base_model,
        "server": SERVER.account,
        "output_hash": hash_text(kept.text.encode()),
        "prompt_tokens": len(evidence.prompt),
        "lane": "verifiable",
        "temperature_ppb": evidence.temperature_ppb,
        "seed": evidence.seed,
    }
    unsigned = unsigned_receipt(**said | changes)
    receipt = replace(unsigned, signature=SERVER.sign(unsigned.signing_payload()))
    return replace(kept, receipt=receipt, signature=sign_evidence(SERVER, receipt, evidence))


def test_a_server_has_signed_for_its_evidence(answers, base, store):
    """Receipt and evidence are bound to each other: neither can be exchanged afterwards."""
    kept, other = (read_answer(path) for path in answers[:2])
    good = signed(kept)
    assert SERVER.account.hex() in next(check_answer(good, base, store / "red"))
    for wrong in (
        replace(good, evidence=other.evidence),
        replace(good, receipt=signed(kept, height=9).receipt),
        replace(good, signature=bytes(64)),
        signed(kept, seed=5),
        signed(kept, lane="fast"),
        signed(kept, output_hash=bytes(32)),
    ):
        with pytest.raises(AnswerWrong):
            next(check_answer(wrong, base, store / "red"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"choices": [], "evidence": {}}'])
def test_another_file_is_refused(tmp_path, text):
    """A sentence says what to keep instead."""
    (tmp_path / "answer.json").write_text(text)
    with pytest.raises(AnswerFileError, match="no answer"):
        read_answer(tmp_path / "answer.json")
    with pytest.raises(AnswerFileError, match="cannot be read"):
        read_answer(tmp_path / "nothing.json")


def test_a_stream_ends_in_its_evidence_and_cuts_are_refused(with_server):
    """The last event has it; `top_p` and merges belong to the lane `fast`."""

    def work(url):
        whole = ask(url).json()
        assert whole["lane"] == "verifiable"
        lines = ask(url, stream=True).text.splitlines()
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        assert events[-1]["evidence"] == whole["evidence"]
        refused = ask(url, top_p=0.5)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "top_p")
        merge = {"method": "linear", "models": ["red", "green"], "weights": [1, 1]}
        assert ask(url, merge=merge).status_code == 422
        assert ask(url, lane="fast").json()["lane"] == "fast"
        metrics = httpx.get(f"{url}/metrics").text
        assert 'openledger_serving_answer_tokens_total{lane="verifiable"}' in metrics

    with_server(work)
