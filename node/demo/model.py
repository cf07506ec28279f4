"""The middle of the story: a builder has an adapter trained and published; a user asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from ml.manifest import manifest_of
from ml.training.recipe import STEPS_DEFAULT_MAX, default_training_parameters
from node.client import NodeClient
from node.demo.datanet import Published
from node.demo.people import People
from node.demo.stages import Bar
from node.demo.waiting import wait_for
from node.errors import NodeError
from pallets.compute.pallet import Compute
from pallets.inference.pallet import Inference
from pallets.models.pallet import Models
from runtime.types import OPEN
from runtime.wire.records import UNFINISHED, Job, JobState, RowSource, training_order

TRAINING_FEE = 100 * OPEN
ESCROW = 1_000 * OPEN
ANSWER_TOKENS_MAX = 40
TRAINING_SECONDS_MAX = 1_800.0
ANSWER_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Answered:
    """A paid answer as the user received it."""

    question: str
    answer: str
    receipt: bytes
    """Canonical bytes of the signed `InferenceReceipt`."""
    fee: int


def train(
    client: NodeClient,
    people: People,
    published: Published,
    base_model: Path,
    progress: Callable[[], tuple[float, float, str]],
    bar: Bar,
    *,
    steps_max: int = STEPS_DEFAULT_MAX,
) -> tuple[bytes, Job]:
    """Submit the job and wait until a worker's result is settled."""
    base = manifest_of(base_model).hash()
    rows = (RowSource(published.datanet, published.version),)
    parameters = default_training_parameters(len(published.records))
    parameters = replace(parameters, steps=min(parameters.steps, steps_max))
    order = training_order(base, rows, parameters)
    call = Compute.submit_job.Call(order=order, fee=TRAINING_FEE)
    submitted = client.submit(call, people.builder).fields("Compute", "Submitted")
    number = int(submitted["job"])

    def is_over() -> bool:
        bar.show(*progress())
        return read_job(client, number).state not in UNFINISHED

    message = f"The training job {number} was not settled."
    wait_for(is_over, message, TRAINING_SECONDS_MAX, "Read the worker's log.")
    job = read_job(client, number)
    if job.result is None or job.state is not JobState.SETTLED:
        raise NodeError(
            f"The training job {number} was {job.state.name.lower()}.",
            remedy="Read the worker's log.",
        )
    return job.result.adapter, job


def read_job(client: NodeClient, number: int) -> Job:
    """The training job as the chain has it."""
    job: Job = client.read("Compute", "jobs", number)
    return job


def open_for_business(client: NodeClient, people: People, model: bytes) -> None:
    """The builder publishes the model; the user fills the escrow and lets the server charge it."""
    client.submit(Models.publish.Call(model=model), people.builder)
    client.submit(Inference.register_server.Call(), people.server)
    client.submit(Inference.deposit.Call(amount=ESCROW), people.user)
    client.submit(Inference.authorize.Call(server=people.server.account, limit=ESCROW), people.user)


def ask_all(
    url: str, api_key: str, model: bytes, questions: Sequence[str], bar: Bar
) -> tuple[Answered, ...]:
    """Ask every question over the OpenAI-compatible API, each answer streamed."""
    answers = []
    headers = {"Authorization": f"Bearer {api_key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=ANSWER_TIMEOUT_SECONDS) as http:
        for number, question in enumerate(questions):
            bar.show(number, len(questions), question)
            answers.append(ask(http, model, question))
        bar.show(len(questions), len(questions), f"{len(questions)} answers")
    return tuple(answers)


def ask(http: httpx.Client, model: bytes, question: str) -> Answered:
    """One streamed chat completion; raises `NodeError` with the server's own words."""
    body = {
        "model": model.hex(),
        "messages": [{"role": "user", "content": question}],
        "max_tokens": ANSWER_TOKENS_MAX,
        "stream": True,
    }
    text, receipt = "", None
    with http.stream("POST", "/v1/chat/completions", json=body) as response:
        if response.status_code != httpx.codes.OK:
            error = json.loads(response.read())["error"]
            raise NodeError(f"The server refused to answer: {error['message']}")
        for line in response.iter_lines():
            data = line.removeprefix("data: ")
            if not line.startswith("data: ") or data == "[DONE]":
                continue
            event = json.loads(data)
            if "error" in event:
                raise NodeError(f"The server broke off: {event['error']['message']}")
            text += "".join(choice["delta"].get("content") or "" for choice in event["choices"])
            receipt = event.get("receipt", receipt)
    if receipt is None:
        raise NodeError("The answer came without a receipt.", remedy="Read the server's log.")
    return Answered(question, text.strip(), bytes.fromhex(receipt["hex"]), int(receipt["fee"]))
