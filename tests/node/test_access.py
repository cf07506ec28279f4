"""Who may ask which model, and for how much: the paid server on the state of real pallets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing, closing, contextmanager
from typing import Any

import pytest
import trio

from genesis.compose import Pallets
from genesis.scenes import ADAPTER, ALICE, BUILDER, SERVER, USER, serving, trained
from ml.serving.texts import TextEngine
from node.api.answering import Answering
from node.api.answers import AnswerLog
from node.api.errors import InsufficientEscrow, UnknownModel
from node.api.escrow import Escrow
from node.api.keys import ApiKey
from node.api.ledger import Ledger
from node.api.meter import USAGE_FILE, Meter
from node.api.metrics import ServingMetrics
from node.api.requests import parse_completion
from node.client import NodeClient
from pallets.inference.pallet import Inference
from pallets.models.pallet import Models
from runtime.executive import Runtime
from runtime.types import OPEN
from tests.ml.serving.adapters import save_base
from tests.pallets.chain import Chain


class StateClient(NodeClient):
    """A node's client that reads the state of a chain in this process."""

    def __init__(self, chain: Chain) -> None:
        super().__init__("http://127.0.0.1:9")
        self.chain = chain

    @property
    def runtime(self) -> Runtime:
        return self.chain.runtime

    @property
    def genesis_hash(self) -> bytes:
        return self.chain.genesis_hash

    @contextmanager
    def reading(self) -> Iterator[Pallets]:
        with self.chain.reading() as pallets:
            yield pallets

    def height(self) -> int:
        return self.chain.height

    def get(self, key: bytes, height: int | None = None) -> bytes | None:
        return self.chain.state.get(key)


def ledger_of(chain: Chain) -> Ledger:
    return Ledger(StateClient(chain), SERVER.account)


@pytest.fixture
def refusal_of(tmp_path) -> Iterator[Any]:
    """`refusal_of(chain, account)`: why an account's question to the adapter is refused."""
    base = save_base(tmp_path / "base")
    with (
        closing(TextEngine(base, tmp_path)) as engine,
        closing(AnswerLog(tmp_path / "answers.journal")) as log,
    ):
        meter, metrics = Meter(tmp_path / USAGE_FILE), ServingMetrics(engine.figures)

        def refuse(chain: Chain, account: bytes) -> str:
            ledger = ledger_of(chain)
            answering = Answering(
                engine, ledger, log, SERVER, tmp_path, meter, metrics, active_max=2
            )
            wanted = parse_completion({"model": ADAPTER.hex(), "prompt": "a"}, "text")

            async def ask() -> str:
                pieces = answering.pieces(wanted, ApiKey(bytes(32), account, "somebody"))
                async with aclosing(pieces):
                    with pytest.raises(UnknownModel) as refused:
                        await anext(pieces)
                return refused.value.message

            return trio.run(ask)

        yield refuse


def test_a_private_model_answers_its_owner_and_whom_it_was_granted(refusal_of) -> None:
    """Everybody else is told what they are told of a model that is not there."""
    chain = trained(Chain())
    # Whom the model answers is refused later: this server has another base model.
    private, other = "does not exist, or is private", "needs the base model"
    assert other in refusal_of(chain, BUILDER.account)
    assert private in refusal_of(chain, USER.account)
    chain.ok(BUILDER, Models.grant.Call(model=ADAPTER, account=USER.account))
    assert other in refusal_of(chain, USER.account)
    assert private in refusal_of(chain, ALICE.account)
    chain.ok(BUILDER, Models.revoke_grant.Call(model=ADAPTER, account=USER.account))
    assert private in refusal_of(chain, USER.account)
    chain.ok(BUILDER, Models.publish.Call(model=ADAPTER))
    assert other in refusal_of(chain, ALICE.account)
    chain.ok(BUILDER, Models.retire.Call(model=ADAPTER))
    assert "is retired" in refusal_of(chain, ALICE.account)


def test_escrow_covers_answers_before_they_begin(tmp_path) -> None:
    """What answers in progress may cost is within the authorisation, which a revocation ends."""
    chain = serving(Chain(), 3 * OPEN)
    with closing(AnswerLog(tmp_path / "answers.journal")) as log:
        escrow = Escrow(ledger_of(chain), log)
        escrow.reserve(USER.account, 2 * OPEN)
        with pytest.raises(InsufficientEscrow, match="2 are taken"):
            escrow.reserve(USER.account, 2 * OPEN)
        escrow.release(USER.account, 2 * OPEN)
        escrow.reserve(USER.account, 3 * OPEN)
        escrow.release(USER.account, 3 * OPEN)
        with pytest.raises(InsufficientEscrow):
            escrow.reserve(ALICE.account, 1)
        chain.ok(USER, Inference.revoke.Call(server=SERVER.account))
        with pytest.raises(InsufficientEscrow):
            escrow.reserve(USER.account, 1)


def test_a_models_rows_were_framed_by_its_jobs_template() -> None:
    """The template comes from the job's order; without one it is the tokenizer's own form."""
    chain = trained(Chain())
    ledger = ledger_of(chain)
    record = ledger.model(ADAPTER)
    with chain.reading() as pallets:
        parameters = pallets.compute.jobs[record.job].order.parameters
    assert parameters is not None
    assert ledger.prompt_template(record) == parameters.prompt_template
