"""Worker and API as real processes on a real chain: train, answer, settle, attribute, survive."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import replace

import httpx
import openai
import pytest

from ml.manifest import manifest_of
from ml.training.bundle import INPUTS_FILE, extract_bundle, write_bundle
from node.api.disclosure import answers_target, sign_request
from node.api.keys import ApiKeys
from node.errors import InUse
from node.workers.records import WorkRecords
from node.workers.worker import Worker, WorkerSettings
from pallets.inference.pallet import Inference
from pallets.models.pallet import Models
from runtime.arithmetic import answer_fee
from runtime.codec import codec_of
from runtime.hashing import hash_receipt, hash_text
from runtime.merkle import list_root, sum_root
from runtime.types import OPEN
from runtime.wire.blobs import decode_blob
from runtime.wire.receipts import InferenceReceipt
from runtime.wire.records import (
    JobState,
    PayoutLeaf,
    ScoreLeaf,
    TrainingOutcome,
)
from runtime.wire.verify import verify_inference
from tests.node.market import (
    BASE_MODEL,
    BATCH_ROWS,
    ROW_COUNT,
    STEPS,
    Market,
    free_port,
    people,
    submit_job,
)
from tests.node.published_rows import publish_rows

ESCROW = 10 * OPEN


@pytest.fixture(scope="module")
def market(dev_node, tmp_path_factory):
    """The chain up to an open training job; what was started here ends with the module."""
    folder = tmp_path_factory.mktemp("market")
    with dev_node.client() as client:
        market = Market(client, folder, dev_node.url)
        market.server_url = f"http://127.0.0.1:{free_port()}"
        submit_job(client, publish_rows(client, ROW_COUNT))
        yield market
        for child in market.children.values():
            if child.process.poll() is None:
                child.kill()


@pytest.fixture(scope="module")
def trained(market):
    """The job trained by a worker that is killed in the middle of it, and started again."""
    market.start_referee()
    worker = market.start_worker()
    progress = market.folder / "work" / "progress.json"

    def is_training():
        with contextlib.suppress(OSError):
            return json.loads(progress.read_text())["stage"] == "training"
        return False

    market.wait(is_training, "training")
    worker.kill()
    market.start_worker()
    market.wait(lambda: market.job().state is JobState.SETTLED, "settlement of the job")
    return market


@pytest.fixture(scope="module")
def serving(trained):
    """The adapter published, the user's escrow filled and authorised, the server up."""
    market = trained
    market.model = market.job().result.adapter
    market.client.submit(Models.publish.Call(model=market.model), people("builder"))
    market.api_key = ApiKeys(market.folder / "serve" / "api-keys.json").add(
        people("user").account, "user"
    )
    market.start_server(int(market.server_url.rpartition(":")[2]))
    market.wait(lambda: is_up(market.server_url), "the server")
    server = people("server").account
    market.wait(lambda: market.client.read("Inference", "servers", server), "registration")
    market.client.submit(Inference.deposit.Call(amount=ESCROW), people("user"))
    market.client.submit(Inference.authorize.Call(server=server, limit=ESCROW), people("user"))
    return market


def is_up(url):
    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def question(number=1):
    return [{"role": "user", "content": f"What is thing {number}?"}]


def receipt_of(answer):
    extension = answer.model_extra["receipt"]
    data = bytes.fromhex(extension["hex"])
    assert extension["hash"] == hash_receipt(data).hex()
    receipt = codec_of(InferenceReceipt).decode(data)
    assert extension["fee"] == str(receipt.fee)
    return receipt


def test_a_killed_worker_finishes_its_job_without_claiming_twice(trained):
    """After kill -9 in training, the same claim leads to one commitment and one settlement."""
    job = trained.job()
    assert job.worker == people("worker").account
    assert trained.client.read("Workers", "workers", job.worker).locked == 0
    log = trained.children["worker"].lines()
    assert log.count('event="job claimed"') == 1
    assert log.count('event="result committed"') == 1
    assert "Traceback" not in log


def test_the_adapter_is_in_the_content_store(trained):
    """Whoever has the hash from the chain can fetch every file of the adapter."""
    manifest = trained.client.get_content(trained.job().result.adapter)
    assert b"adapter_model.safetensors" in manifest
    transcript = trained.client.get_content(trained.job().result.transcript)
    assert list_root(decode_blob(transcript, STEPS + 2)) == trained.job().result.transcript_root


def test_anybody_runs_the_job_again_from_one_file(trained, openledger, tmp_path):
    """`job bundle` and `job verify` find the committed root; of a lie, the leaf; exit codes say it."""
    result, path = trained.job().result, tmp_path / "job.zip"
    node = ("--node", trained.url, "--json")
    written = openledger("job", "bundle", "0", "--output", str(path), *node)
    assert json.loads(written.stdout)["transcript_root"] == result.transcript_root.hex()
    found = openledger("job", "verify", str(path), "--json")
    assert found.returncode == 0
    assert json.loads(found.stdout)["transcript_root"] == result.transcript_root.hex()
    lie = replace(result, adapter=bytes(32))
    transcript = trained.client.get_content(result.transcript)
    extract_bundle(path, tmp_path / "open")
    inputs = (tmp_path / "open" / INPUTS_FILE).read_bytes()
    write_bundle(path, inputs, lie, transcript, BASE_MODEL)
    assert openledger("job", "verify", str(path), "--json").returncode == 1


def test_an_owner_sees_price_and_progress_and_a_worker_its_jobs(trained, openledger, tmp_path):
    """`job quote`, `submit` and `watch`, `worker status` and `jobs` say what the chain says."""
    node = ("--node", trained.url, "--json")
    recipe = tmp_path / "recipe.toml"
    default = openledger("job", "recipe", "--rows", str(ROW_COUNT)).stdout
    recipe.write_text(default.replace("rank = 8", "rank = 12"))
    ordered = ("--datanet", "0:1", "--recipe-file", str(recipe))
    assert "rank" in openledger("job", "submit", *ordered, "--key", "dev:builder", *node).stderr
    recipe.write_text("epochs = 1")
    quoted = json.loads(openledger("job", "quote", *ordered, *node).stdout)
    assert (quoted["row_count"], quoted["leaf_count"]) == (ROW_COUNT, ROW_COUNT // 50 + 2)
    assert quoted["influence"] == "good"
    watched = openledger("job", "watch", "0", *node)
    assert json.loads(watched.stdout)["state"] == JobState.SETTLED.name
    key = ("--key", "dev:worker")
    status = openledger("worker", "status", "--work", str(trained.folder / "work"), *key, *node)
    assert json.loads(status.stdout)["clean_jobs"] == 1
    (job,) = json.loads(openledger("worker", "jobs", *key, *node).stdout)
    assert (job["job"], job["role"], job["state"]) == (0, "worker", JobState.SETTLED.name)


def test_models_are_listed_with_their_base(serving):
    """GET /v1/models names the adapter as `root` and its base model as `parent`."""
    (listed,) = serving.openai().models.list().data
    assert listed.id == serving.model.hex()
    assert listed.model_extra["parent"] == manifest_of(BASE_MODEL).hash().hex()
    assert serving.openai().models.retrieve(listed.id) == listed


def test_an_answer_has_a_signed_receipt_at_chain_prices(serving):
    """Usage, fee, hashes and signature of a chat completion hold."""
    answer = serving.openai().chat.completions.create(
        model=serving.model.hex(), messages=question(), max_tokens=8
    )
    receipt = receipt_of(answer)
    assert answer.model_extra["lane"] == "fast"
    verify_inference(receipt, serving.client.genesis_hash)
    usage = answer.usage
    assert (receipt.prompt_tokens, receipt.output_tokens) == (
        usage.prompt_tokens,
        usage.completion_tokens,
    )
    prices = serving.client.read("Models", "models", serving.model).prices
    with serving.client.reading() as pallets:
        platform_fee = pallets.inference.platform_fee
    assert receipt.fee == answer_fee(
        usage.prompt_tokens,
        usage.completion_tokens,
        prices.input_per_1000,
        prices.output_per_1000,
        platform_fee,
    )
    assert receipt.output_hash == hash_text(answer.choices[0].message.content.encode())
    assert receipt.prompt_hash == hash_text(question()[0]["content"].encode())
    assert receipt.user == people("user").account


def test_a_streamed_answer_is_the_same_answer(serving):
    """Streaming changes how an answer arrives, not what it is; usage comes when asked for."""
    arguments = {"model": serving.model.hex(), "messages": question(2), "max_tokens": 8}
    whole = serving.openai().chat.completions.create(**arguments)
    chunks = list(
        serving.openai().chat.completions.create(
            **arguments, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].usage == whole.usage
    assert receipt_of(chunks[-2]).output_hash == receipt_of(whole).output_hash


def test_a_raw_prompt_is_continued(serving):
    """`/v1/completions` answers with a text, streamed or not."""
    arguments = {"model": serving.model.hex(), "prompt": "A list is", "max_tokens": 6}
    whole = serving.openai().completions.create(**arguments)
    assert whole.object == "text_completion"
    chunks = list(serving.openai().completions.create(**arguments, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text


def test_a_seed_decides_a_sampled_answer(serving):
    """The same seed gives the same text through the API."""
    arguments = {
        "model": serving.model.hex(),
        "messages": question(),
        "max_tokens": 8,
        "temperature": 1.5,
    }
    texts = [
        serving.openai().chat.completions.create(**arguments, seed=seed).choices[0].message.content
        for seed in (1, 1, 2, 3)
    ]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_bad_requests_are_openai_errors_and_hurt_nobody(serving):
    """Each mistake has its exception in OpenAI's client; the next request is answered."""
    client, model = serving.openai(), serving.model.hex()
    with pytest.raises(openai.AuthenticationError):
        serving.openai("ol-wrong").models.list()
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="00" * 32, messages=question())
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model=model, messages=question(), max_tokens=0)
    assert bad.value.param == "max_tokens"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "word " * 2_000}], stream=True
        )
    response = httpx.post(
        f"{serving.server_url}/v1/chat/completions",
        content=b"{",
        headers={"Authorization": f"Bearer {serving.api_key}"},
        trust_env=False,
    )
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert client.chat.completions.create(model=model, messages=question(), max_tokens=1)


def test_a_chat_in_the_terminal_shows_price_and_sources(serving, openledger):
    """Answers come in pieces, and end in what they took, their receipt, and where they are from."""
    options = (serving.model.hex(), "--api", serving.server_url, "--node", serving.client.url)
    asked = ("--prompt", question()[0]["content"], "--max-tokens", "8")
    key = ("--api-key", serving.api_key)
    shown = openledger("chat", *options, *asked, *key).stdout
    answer = json.loads(openledger("chat", *options, *asked, *key, "--json").stdout)
    assert answer["answer"] in shown
    assert answer["receipt"][:16] not in shown  # each answer has its own
    assert "OPEN, receipt" in shown
    assert "trained on Datanet 0" in shown
    assert answer["fee"] > 0
    refused = openledger("chat", *options, *asked, "--api-key", "ol-wrong")
    assert refused.returncode == 2
    assert "not one of this server's" in refused.stderr


# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_a_model_is_exported_with_its_lineage(serving, openledger, tmp_path):
    """The adapter's files are what the chain has, the card says from what, the merge is whole."""
    options = ("--output", str(tmp_path / "out"), "--merged", "--node", serving.client.url)
    exported = openledger("model", "export", serving.model.hex(), *options, "--json")
    assert exported.returncode == 0, exported.stderr
    assert "Datanet 0" in json.loads(exported.stdout)["trained_on"][0]
    assert manifest_of(tmp_path / "out" / "adapter").hash() == serving.model
    card = (tmp_path / "out" / "README.md").read_text()
    assert all(part in card for part in (serving.model.hex(), "training job", "validation loss"))
    assert (tmp_path / "out" / "merged" / "model.safetensors").exists()
    unknown = openledger(
        "model", "export", "00" * 32, *options[:1], str(tmp_path / "no"), *options[3:]
    )
    assert "knows no model" in unknown.stderr
    assert not (tmp_path / "no").exists()


def test_nobody_is_answered_beyond_what_was_authorised(serving):
    """An account that authorised nothing is refused as OpenAI refuses an exhausted quota."""
    key = ApiKeys(serving.folder / "serve" / "api-keys.json").add(people("faucet").account, "poor")
    with pytest.raises(openai.RateLimitError) as refusal:
        serving.openai(key).chat.completions.create(
            model=serving.model.hex(), messages=question(), max_tokens=1
        )
    assert refusal.value.code == "insufficient_quota"


def test_a_client_that_leaves_pays_for_what_it_was_sent(serving):
    """A broken stream is journalled with the tokens that went out, and the server goes on."""
    body = {
        "model": serving.model.hex(),
        "messages": question(77),
        "max_tokens": 200,
        "stream": True,
        "temperature": 2,
    }
    headers = {"Authorization": f"Bearer {serving.api_key}"}
    with (
        httpx.Client(trust_env=False, timeout=30) as http,
        http.stream(
            "POST", f"{serving.server_url}/v1/chat/completions", json=body, headers=headers
        ) as response,
    ):
        lines = response.iter_lines()
        for _line in range(6):
            next(lines)
    assert serving.openai().chat.completions.create(
        model=serving.model.hex(), messages=question(), max_tokens=1
    )

    def settled_tokens():
        return [
            receipt.output_tokens
            for receipt in settled_receipts(serving)
            if receipt.prompt_hash == hash_text(question(77)[0]["content"].encode())
        ]

    (tokens,) = serving.wait(settled_tokens, "settlement of the broken answer")
    assert 1 <= tokens < 200


def settled_receipts(market):
    receipts = []
    for (model, _epoch, _index), batch in market.client.entries("Inference", "batches"):
        if model == market.model:
            blob = decode_blob(market.client.get_content(batch.receipts), 10_000)
            receipts += [codec_of(InferenceReceipt).decode(item) for item in blob]
    return receipts


def test_every_answer_is_settled_once_even_over_a_kill(serving):
    """Kill -9 of the server loses no receipt, and no request number is settled twice."""
    arguments = {"model": serving.model.hex(), "max_tokens": 2}
    receipts = []
    for number in range(3):
        answer = serving.openai().chat.completions.create(**arguments, messages=question(number))
        receipts.append(receipt_of(answer))
    serving.children["server"].kill()
    serving.start_server(int(serving.server_url.rpartition(":")[2]))
    serving.wait(lambda: is_up(serving.server_url), "the server")
    numbers = {receipt.request for receipt in receipts}
    serving.wait(
        lambda: numbers <= {receipt.request for receipt in settled_receipts(serving)},
        "settlement after the kill",
    )
    settled = [receipt.request for receipt in settled_receipts(serving)]
    assert len(settled) == len(set(settled))


def test_answers_are_for_bonded_workers(serving):
    """The signature of a bonded worker opens the answers, anybody else's does not."""
    client = serving.client
    (model, epoch, _index), _batch = client.entries("Inference", "batches")[0]
    target = answers_target(model, epoch, 0)
    server = people("server").account

    def ask(name):
        headers = sign_request(people(name), client.genesis_hash, server, target, client.height())
        return httpx.get(serving.server_url + target, headers=headers, trust_env=False)

    assert ask("worker").status_code == 200
    assert ask("user").status_code == 403
    assert httpx.get(serving.server_url + target, trust_env=False).status_code == 400


def test_the_epoch_is_attributed_and_adds_up(serving):
    """Scores and payouts lead to the committed roots, and the payouts sum to the pool."""
    for disclose in (True, False):
        answer = serving.openai().chat.completions.create(
            model=serving.model.hex(),
            messages=question(99),
            max_tokens=4,
            extra_body={"disclose": disclose},
        )
        assert receipt_of(answer).disclosed is disclose

    def settled():
        return serving.client.entries("Attribution", "settlements")

    (model, epoch), settlement = serving.wait(settled, "attribution")[0]
    pool = serving.client.read("Attribution", "pools", model, epoch)
    assert settlement.pool == pool - pool // 10
    assert serving.client.read("Compute", "jobs", settlement.job).state is JobState.SETTLED
    payouts = decode_blob(serving.client.get_content(settlement.payouts), 10_000)
    amounts = [codec_of(PayoutLeaf).decode(item).amount for item in payouts]
    assert sum(amounts) == settlement.pool
    items = decode_blob(serving.client.get_content(settlement.scores), 10_000)
    scores = [codec_of(ScoreLeaf).decode(item) for item in items]
    credited = [(item, score.credit) for item, score in zip(items, scores, strict=True)]
    assert sum_root(credited) == (settlement.scores_root, settlement.credits)
    assert len(scores) <= STEPS * BATCH_ROWS
    assert any(score.score for score in scores)
    assert all(score.credit == max(0, score.score - score.error) for score in scores)


def test_a_second_worker_cannot_use_the_same_folder(trained):
    """The journal is locked: one clear error instead of two workers in one folder."""
    settings = WorkerSettings(trained.folder / "work", (BASE_MODEL,), ())
    with pytest.raises(InUse):
        Worker(trained.client, people("worker"), settings, threading.Event())


def test_processes_stop_cleanly(serving):
    """SIGTERM ends worker and server with code 0 and without a traceback in any log."""
    for name in ("worker", "server"):
        assert serving.children[name].stop() == 0
        assert "Traceback" not in serving.children[name].lines()


def test_finished_work_is_remembered(tmp_path):
    """A worker's journal gives back the outcomes of finished runs after a restart."""
    outcome = TrainingOutcome(b"a" * 32, b"t" * 32, b"T" * 32, b"S" * 32, 14, 0, 3, 2)
    records = WorkRecords(tmp_path / "journal")
    records.note_computed(3, outcome)
    records.close()
    again = WorkRecords(tmp_path / "journal")
    assert (again.computed(3), again.computed(4)) == (outcome, None)
    again.close()
