"""The plain server, asked by the real `openai` package."""

import asyncio
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import openai
import pytest
import trio
from safetensors.torch import load_file, save_file

from ml.serving.texts import TextEngine
from node.api.callers import Callers
from node.api.errors import InvalidRequest
from node.api.keys import ApiKeys, KeyLimits
from node.api.meter import USAGE_FILE, Meter
from node.lora.catalogue import Catalogue
from node.lora.requests import parse_plain
from node.lora.site import LoraApi
from tests.ml.serving.adapters import save_adapter
from tests.ml.serving.test_chat import TEMPLATE
from tests.node.lora.servers import beside_server

# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

QUESTION: Any = [{"role": "user", "content": "What is red?"}]


def client_of(url, key="none"):
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


def ask(client, model, **options):
    answer = client.chat.completions.create(model=model, messages=QUESTION, max_tokens=8, **options)
    return answer.choices[0].message.content


def test_models_are_the_base_and_all_folders(with_server):
    """Names are listed with their base; one that is not there is 404."""

    def work(url):
        client = client_of(url)
        listed: list[Any] = list(client.models.list())
        models = {model.id: model.parent for model in listed}
        assert models == {"tiny": None, "red": "tiny", "green": "tiny", "blue": "tiny"}
        assert client.models.retrieve("red").id == "red"
        for name in ("black", "..", ".by-hash", "red/../red", "", "a" * 1_000, "a\x00"):
            with pytest.raises(openai.APIStatusError) as error:
                ask(client, name)
            body: Any = error.value.body
            assert (error.value.status_code, body["param"]) == (404, "model")

    with_server(work)


def test_each_model_answers_as_itself(with_server):
    """Chat and completions, whole and streamed, agree; different adapters differ."""

    def work(url):
        client = client_of(url)
        answers = {name: ask(client, name) for name in ("tiny", "red", "green", "blue")}
        assert len(set(answers.values())) == 4
        for name, text in answers.items():
            stream = client.chat.completions.create(
                model=name,
                messages=QUESTION,
                max_tokens=8,
                stream=True,
                stream_options={"include_usage": True},
            )
            chunks = list(stream)
            pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
            assert "".join(pieces) == text
            assert chunks[-1].usage.completion_tokens <= 8
        whole = client.completions.create(model="red", prompt="ab", max_tokens=6)
        parts = client.completions.create(model="red", prompt="ab", max_tokens=6, stream=True)
        assert "".join(part.choices[0].text for part in parts) == whole.choices[0].text

    with_server(work)


def test_sampling_parameters_are_taken(with_server):
    """What a seed decides is the same again, and a cut to one token is the greedy answer."""

    def work(url):
        client = client_of(url)
        greedy = ask(client, "red")
        assert ask(client, "red", temperature=2, seed=1, extra_body={"top_k": 1}) == greedy
        assert ask(client, "red", temperature=2, seed=1, top_p=0.000001) == greedy
        drawn = ask(client, "red", temperature=2, seed=1)
        assert ask(client, "red", temperature=2, seed=1) == drawn
        assert ask(client, "red", frequency_penalty=2, presence_penalty=2) is not None

    with_server(work)


def test_log_probabilities_are_stated(with_server):
    """In chats and completions, whole and streamed: the chosen token is the likeliest one."""

    def work(url):
        client = client_of(url)
        asked: Any = {"logprobs": True, "top_logprobs": 3, "max_tokens": 6}
        chat = {"model": "red", "messages": QUESTION}
        whole = client.chat.completions.create(**chat, **asked).choices[0].logprobs.content
        assert len(whole) == 6
        for token in whole:
            assert token.top_logprobs[0].logprob == token.logprob < 0
            assert len(token.top_logprobs) == 3
            assert token.bytes is None or bytes(token.bytes).decode() == token.token
        stream = client.chat.completions.create(**chat, **asked, stream=True)
        parts = [part.choices[0].logprobs for part in stream]
        assert [token for part in parts if part for token in part.content] == whole
        text: Any = {"model": "red", "prompt": "ab", "max_tokens": 6, "logprobs": 2}
        stated = client.completions.create(**text).choices[0].logprobs
        assert [max(each.values()) for each in stated.top_logprobs] == stated.token_logprobs
        lengths = [len(token) for token in stated.tokens]
        assert stated.text_offset == [sum(lengths[:place]) for place in range(6)]
        streamed = [
            part.choices[0].logprobs for part in client.completions.create(**text, stream=True)
        ]
        offsets = [each for part in streamed if part for each in part.text_offset]
        assert offsets == stated.text_offset

    with_server(work)


def test_a_conversation_counts_by_the_template_of_the_tokenizer(with_server, base, store, tmp_path):
    """With a template the history changes the answer, unless the form of rows is asked for."""
    history: Any = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Ho."}]

    def answers(url):
        client = client_of(url)
        chat: Any = {"model": "tiny", "max_tokens": 8}
        plain = client.chat.completions.create(messages=QUESTION, **chat)
        talk = client.chat.completions.create(messages=history + QUESTION, **chat)
        row = client.chat.completions.create(
            messages=history + QUESTION, extra_body={"framing": "row"}, **chat
        )
        return [each.choices[0].message.content for each in (plain, talk, row)]

    plain, talk, row = with_server(answers)
    assert plain == talk == row
    templated = shutil.copytree(base, tmp_path / "templated" / "tiny")
    (templated / "chat_template.jinja").write_text(TEMPLATE)
    with closing(TextEngine(templated, tmp_path)) as engine:
        callers = Callers(None, Meter(tmp_path / USAGE_FILE))
        api = LoraApi(engine, Catalogue(store, tmp_path), "tiny", callers)
        plain, talk, row = trio.run(beside_server, api, answers)
    assert len({plain, talk, row}) == 3


def test_usage_is_stated_at_the_end_of_a_stream_that_asked(with_server):
    """Until then it is null; nobody else hears of it."""

    def work(url):
        body = {"model": "red", "messages": QUESTION, "max_tokens": 4, "stream": True}
        asked = body | {"stream_options": {"include_usage": True}}
        for sent, expected in ((body, {"absent"}), (asked, {"null", "stated"})):
            text = httpx.post(f"{url}/v1/chat/completions", json=sent).text
            events = [json.loads(line[6:]) for line in text.splitlines() if line[:7] == "data: {"]
            found = [
                "absent" if "usage" not in each else "stated" if each["usage"] else "null"
                for each in events
            ]
            assert set(found) == expected
            assert found.index("stated") == len(found) - 1 if "stated" in found else True

    with_server(work)


def test_a_merge_states_whose_it_is(with_server):
    """A merge by request answers, and its shares sum to 10**9."""
    merge = {"method": "linear", "models": ["red", "green"], "weights": [1, 0.5]}

    def work(url):
        answer = client_of(url).chat.completions.create(
            model="red", messages=QUESTION, max_tokens=8, extra_body={"merge": merge}
        )
        shares = answer.model_extra["merge_shares_ppb"]
        assert list(shares) == ["red", "green"]
        assert sum(shares.values()) == 10**9

    with_server(work)


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"top_p": 1.5}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"logprobs": 1}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"framing": "poem"}, "framing"),
        ({"merge": []}, "merge"),
        ({"merge": {"method": "sum"}}, "merge.method"),
        ({"merge": {"method": "ties", "models": "red"}}, "merge.models"),
        ({"merge": {"method": "ties", "models": [], "weights": 1}}, "merge.weights"),
        ({"merge": {"method": "ties", "models": [], "weights": ["a"]}}, "merge.weights[0]"),
    ],
)
def test_a_wrong_field_is_named(fields, parameter):
    """Nothing is ignored silently."""
    body = {"model": "red", "messages": QUESTION} | fields
    with pytest.raises(InvalidRequest) as error:
        parse_plain(body, "chat", lambda _name: bytes(32))
    assert error.value.parameter == parameter


def test_an_adapter_uploaded_again_answers_at_once(with_server, base, store):
    """The name stands for the new content: no row, page or hash of the old one is used."""

    def work(url):
        client = client_of(url)
        before = ask(client, "red")
        digest = save_adapter(base, store, 77)
        shutil.rmtree(store / "red")
        (store / digest.hex()).rename(store / "red")
        (store / "scarlet").symlink_to(store / "red")
        after = ask(client, "red")
        assert after != before
        assert ask(client, "scarlet") == after
        shutil.rmtree(store / "red")
        with pytest.raises(openai.NotFoundError):
            ask(client, "red")

    with_server(work)


def test_bad_adapters_fail_while_others_stream(with_server, store):
    """32 streams go on, bit for bit, while requests through broken folders are refused."""
    for name, damage in (
        ("torn", lambda folder: truncate(folder / "adapter_model.safetensors")),
        ("bare", lambda folder: (folder / "adapter_model.safetensors").unlink()),
        ("odd", lambda folder: (folder / "adapter_config.json").write_text("[]")),
        ("pickled", lambda folder: weights_of(folder).rename(folder / "adapter_model.bin")),
        ("endless", fill_with_nan),
        ("wide", lambda folder: configure(folder, r=128)),
        ("foreign", lambda folder: configure(folder, base_model_name_or_path="openledger:00")),
    ):
        damage(shutil.copytree(store / "red", store / name))

    def work(url):
        client = client_of(url)
        alone = {name: ask(client, name) for name in ("red", "green", "blue")}

        def stream(index):
            name = ("red", "green", "blue")[index % 3]
            chunks = client.chat.completions.create(
                model=name, messages=QUESTION, max_tokens=8, stream=True
            )
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            return text == alone[name]

        def fail(name):
            with pytest.raises(openai.APIStatusError) as error:
                ask(client, name)
            return error.value.status_code

        gone = shutil.copytree(store / "red", store / "gone")
        assert ask(client, "gone") == alone["red"]
        with ThreadPoolExecutor(40) as pool:
            streams = [pool.submit(stream, index) for index in range(32)]
            names = ("torn", "bare", "odd", "pickled", "endless", "wide", "foreign", "none", "gone")
            shutil.rmtree(gone)
            failures = [pool.submit(fail, name) for name in names]
            bodies = [
                json.dumps({"model": "red", "messages": QUESTION, "mood": "good"}).encode(),
                json.dumps({"model": "red", "prompt": "word " * 50_000}).encode(),
                b'{"model": "red", "prompt": "\xff"}',
                b'{"model": ',
            ]
            refused = [pool.submit(post, url, body) for body in bodies]
            assert all(each.result() for each in streams)
            assert [each.result() for each in failures] == [422] * 7 + [404] * 2
            assert [each.result() for each in refused] == [400] * 4

    with_server(work)


def post(url, body):
    return httpx.post(f"{url}/v1/completions", content=body).status_code


def weights_of(folder):
    return folder / "adapter_model.safetensors"


def fill_with_nan(folder):
    tensors = load_file(weights_of(folder))
    first = next(iter(tensors))
    save_file(tensors | {first: tensors[first] * float("nan")}, weights_of(folder))


def configure(folder, **fields):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-50])


def test_a_hundred_clients_and_some_who_leave(with_server):
    """100 at once through the asynchronous client; who closes a stream early disturbs nobody."""

    async def ask_all(url):
        async with openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key="none", max_retries=0
        ) as client:

            async def one(index):
                stream: Any = await client.chat.completions.create(
                    model=("red", "green", "blue")[index % 3],
                    messages=QUESTION,
                    max_tokens=8,
                    stream=True,
                )
                if index % 5 == 0:
                    await stream.close()
                    return None
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return await asyncio.gather(*(one(index) for index in range(100)))

    def work(url):
        answers = asyncio.run(ask_all(url))
        expected = [ask(client_of(url), name) for name in ("red", "green", "blue")]
        for index, text in enumerate(answers):
            assert text in {None, expected[index % 3]}

    with_server(work)


def test_keys_are_asked_for_if_there_are_any(with_server, tmp_path):
    """With a file of keys, a request without one is 401; health and metrics are open."""
    keys = ApiKeys(tmp_path / "keys.json")
    secret = keys.add(bytes(32), "friend")

    def work(url):
        with pytest.raises(openai.AuthenticationError):
            client_of(url).models.list()
        assert ask(client_of(url, secret), "red") is not None
        assert httpx.get(f"{url}/health").json() == {"status": "ok"}

    with_server(work, keys)


def test_limits_of_a_key_are_kept(with_server, tmp_path):
    """Requests of a minute, tokens of a day; what an answer did not take is given back."""
    keys = ApiKeys(tmp_path / "keys.json")
    slow = keys.add(bytes(32), "slow", KeyLimits(requests_per_minute=2))
    poor = keys.add(bytes(32), "poor", KeyLimits(tokens_per_day=60))

    def work(url):
        for _ in range(2):
            ask(client_of(url, slow), "red")
        with pytest.raises(openai.RateLimitError) as limited:
            ask(client_of(url, slow), "red")
        body: Any = limited.value.body
        assert (body["type"], body["code"]) == ("rate_limit_error", "rate_limit_exceeded")
        assert int(limited.value.response.headers["retry-after"]) in range(1, 31)
        client = client_of(url, poor)
        answer = client.chat.completions.create(model="red", messages=QUESTION, max_tokens=8)
        assert answer.usage is not None
        left = 60 - answer.usage.total_tokens
        while left >= answer.usage.prompt_tokens + 8:
            stream = client.chat.completions.create(
                model="red", messages=QUESTION, max_tokens=8, stream=True
            )
            list(stream)
            left -= answer.usage.total_tokens
        with pytest.raises(openai.RateLimitError) as spent:
            ask(client, "red")
        body = spent.value.body
        assert (body["type"], body["code"]) == ("insufficient_quota", "insufficient_quota")

    with_server(work, keys)


def test_the_base_model_gives_vectors(with_server):
    """Of texts and of tokens, as floats and as the client's default, base64; of length 1."""

    def work(url):
        client = client_of(url)
        texts = ["What is red?", "What is red?", "Blue."]
        answer = client.embeddings.create(model="tiny", input=texts)
        first, second, other = [each.embedding for each in answer.data]
        assert first == second != other
        assert sum(each * each for each in first) == pytest.approx(1)
        assert answer.usage.total_tokens == sum(len(text.encode()) + 1 for text in texts)
        floats = client.embeddings.create(model="tiny", input=texts[2], encoding_format="float")
        assert floats.data[0].embedding == pytest.approx(other)
        by_tokens = client.embeddings.create(model="tiny", input=[[1, 40, 50], [1, 40, 51]])
        assert len(by_tokens.data) == 2
        wrong: Any = (
            ({"input": ""}, "input"),
            ({"input": [[]]}, "input"),
            ({"input": ["a"] * 257}, "input"),
            ({"input": [10**6]}, "input"),
            ({"input": "a" * 100}, "input"),
            ({"dimensions": 7}, "dimensions"),
            ({"extra_body": {"mood": 1}}, "mood"),
        )
        for fields, parameter in wrong:
            with pytest.raises(openai.BadRequestError) as error:
                client.embeddings.create(**{"model": "tiny", "input": "a"} | fields)
            assert error.value.param == parameter
        with pytest.raises(openai.NotFoundError, match="adapters have none"):
            client.embeddings.create(model="red", input="a")

    with_server(work)


def test_adapters_are_loaded_and_unloaded_by_name(with_server, store):
    """VLLM's requests: versions side by side, one name that moves from one to the other."""
    versions = store / "versions"
    versions.mkdir()
    (store / "red").rename(versions / "1")
    (store / "green").rename(versions / "2")

    def work(url):
        client = client_of(url)

        def post(path, **fields):
            return httpx.post(f"{url}/v1/{path}", json=fields)

        loaded = post("load_lora_adapter", lora_name="red", lora_path="versions/1").json()
        assert post("load_lora_adapter", lora_name="new", lora_path=str(versions / "2")).is_success
        first, second = ask(client, "red"), ask(client, "new")
        assert first != second
        taken = post("load_lora_adapter", lora_name="red", lora_path="versions/2")
        assert (taken.status_code, taken.json()["error"]["param"]) == (400, "lora_name")
        moved = {"lora_name": "red", "lora_path": "versions/2", "load_inplace": True}
        assert post("load_lora_adapter", **moved).is_success
        assert ask(client, "red") == second
        # What the name stood for can still be asked for, by its content.
        assert ask(client, f"red@{loaded['version']}") == first
        for name in (f"red@{'0' * 64}", "red@1", "@", f".red@{loaded['version']}"):
            with pytest.raises(openai.NotFoundError):
                ask(client, name)
        assert post("unload_lora_adapter", lora_name="red").json()["deleted"] is True
        assert post("unload_lora_adapter", lora_name="red").status_code == 404
        assert post("unload_lora_adapter", lora_name="blue").status_code == 400
        with pytest.raises(openai.NotFoundError):
            ask(client, "red")

    with_server(work)


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"lora_path": "../outside"}, "lora_path"),
        ({"lora_path": "/etc"}, "lora_path"),
        ({"lora_path": "none"}, "lora_path"),
        ({"lora_path": "a" * 1_000}, "lora_path"),
        ({"lora_path": "\ud800"}, "lora_path"),
        ({"lora_path": "a\x00b"}, "lora_path"),
        ({"lora_name": "a" * 101}, "lora_name"),
        ({"lora_name": "a\n"}, "lora_name"),
        ({"lora_name": "a/b"}, "lora_name"),
        ({"lora_name": ".a"}, "lora_name"),
        ({"lora_name": "a@b"}, "lora_name"),
        ({"lora_name": 5}, "lora_name"),
        ({"load_inplace": 1}, "load_inplace"),
        ({"base_model_name": "other"}, "base_model_name"),
        ({"mood": "good"}, "mood"),
    ],
)
def test_what_cannot_be_loaded_is_refused(with_server, store, fields, parameter):
    """By the name of the field; nothing outside the folder of adapters is looked at."""
    (store.parent / "outside").mkdir()

    def work(url):
        body = {"lora_name": "new", "lora_path": "red"} | fields
        answer = httpx.post(f"{url}/v1/load_lora_adapter", content=json.dumps(body))
        assert answer.json()["error"]["param"] == parameter
        assert answer.status_code in (400, 404)
        assert not (store / "new").exists()

    with_server(work)


def test_a_broken_adapter_is_not_loaded(with_server, store):
    """The field that is wrong is said at once, and the name is not given."""
    truncate(store / "red" / "adapter_model.safetensors")

    def work(url):
        body = {"lora_name": "new", "lora_path": "red"}
        answer = httpx.post(f"{url}/v1/load_lora_adapter", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "lora_path")
        assert not (store / "new").exists()

    with_server(work)


def test_only_operators_change_what_is_served(with_server, tmp_path):
    """Other keys ask questions."""
    keys = ApiKeys(tmp_path / "keys.json")
    friend, operator = keys.add(bytes(32), "friend"), keys.add(bytes(32), "me", operator=True)

    def work(url):
        body = {"lora_name": "new", "lora_path": "red"}
        codes = [
            httpx.post(
                f"{url}/v1/load_lora_adapter", json=body, headers={"Authorization": f"Bearer {key}"}
            ).status_code
            for key in (friend, operator, "nobody")
        ]
        assert codes == [403, 200, 401]

    with_server(work, keys)


def test_metrics_say_what_the_engine_does(with_server):
    """Tokens, queue, tiers and occupancy are there for Prometheus."""

    def work(url):
        ask(client_of(url), "red")
        text = httpx.get(f"{url}/metrics").text
        assert 'openledger_serving_adapters_found_total{tier="folder"} 1.0' in text
        assert 'openledger_serving_requests{lane="fast",state="running"} 0.0' in text
        assert 'openledger_serving_answer_tokens_total{lane="fast"} 7.0' in text
        assert "openledger_serving_first_token_seconds_count 1.0" in text
        assert "openledger_serving_token_seconds_count 7.0" in text

    with_server(work)


def test_invalid_bodies_are_400(with_server):
    """Bad UTF-8, bad JSON and unknown fields are refused, and the next request is answered."""

    def work(url):
        for body in (b"\xff\xfe", b"[", b"[]", json.dumps({"model": "red", "mood": 1}).encode()):
            assert httpx.post(f"{url}/v1/chat/completions", content=body).status_code == 400
        assert ask(client_of(url), "red") is not None

    with_server(work)


def test_the_command_serves_a_folder(base, store, tmp_path):
    """`openledger serve --adapters DIR --base DIR` needs nothing else, and stops when told to."""
    command = (sys.executable, "-m", "node.cli", "serve", "--adapters", store, "--base", base)
    options = ("--data", tmp_path / "data", "--port", "0", "--json")
    with subprocess.Popen(
        [*map(str, (*command, *options))], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        lines = list(iter(server.stdout.readline, "}\n"))
        url = json.loads("".join([*lines, "}"]))["url"]
        assert ask(client_of(url), "green") is not None
        server.terminate()
        assert server.wait() == 0
