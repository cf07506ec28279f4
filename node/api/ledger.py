"""What the server reads of the chain: models, prices, what it may charge, and what it was paid.

Every method is one or a few blocking requests to the node and raises `ClientError` when it cannot
be used; threads may share a ledger.
"""

from __future__ import annotations

from functools import cached_property

from node.api.errors import UnknownModel
from node.client import NodeClient
from pallets.inference.types import Authorization
from runtime.wire.records import AnswerBatch, Job, Model
from runtime.wire.validators import ValidatorSet

MODELS_MAX = 10_000
"""The most models that one list names."""


class Ledger:
    """The chain as one server sees it."""

    def __init__(self, client: NodeClient, server: bytes) -> None:
        """Read through `client` on behalf of the account `server`."""
        self.client = client
        self.server = server

    @cached_property
    def genesis_hash(self) -> bytes:
        """Which chain this is."""
        return self.client.genesis_hash

    @cached_property
    def platform_fee(self) -> int:
        """What every answer pays to the treasury, in units of 10**-18 OPEN."""
        with self.client.reading() as pallets:
            fee: int = pallets.inference.platform_fee
        return fee

    @cached_property
    def epoch_blocks(self) -> int:
        """How many blocks an epoch has."""
        blocks: int = self.client.read("Attribution", "epoch_blocks")
        return blocks

    def height(self) -> int:
        """The last finalised height."""
        return self.client.height()

    def model(self, model: bytes) -> Model:
        """The record of an adapter; raises `UnknownModel`."""
        record: Model | None = self.client.read("Models", "models", model)
        if record is None:
            raise UnknownModel.of(model)
        return record

    def may_use(self, model: bytes, record: Model, user: bytes) -> bool:
        """Whether a model answers `user`: its owner, whom it was granted, and all if public."""
        if record.public or record.owner == user:
            return True
        return self.client.read("Models", "grants", model, user) is not None

    def prompt_template(self, record: Model) -> str:
        """What an adapter's rows were framed with; empty for the tokenizer's own form."""
        job: Job | None = self.client.read("Compute", "jobs", record.job)
        parameters = None if job is None else job.order.parameters
        return "" if parameters is None else parameters.prompt_template

    def is_retired(self, model: bytes) -> bool:
        """Whether a model takes no new questions."""
        return self.client.read("Models", "retired", model) is not None

    def models(self) -> list[tuple[bytes, Model]]:
        """All adapters by hash."""
        return self.client.entries("Models", "models", MODELS_MAX)

    def available(self, user: bytes) -> int:
        """What this server may charge `user` for new answers: nothing after a revocation."""
        record = self._authorization(user)
        return record.remaining if record.revoked_at is None else 0

    def chargeable(self, user: bytes) -> int:
        """What the chain lets this server charge `user` for answers already given."""
        return self._authorization(user).remaining

    def is_registered(self) -> bool:
        """Whether this server may settle batches."""
        return self.client.read("Inference", "servers", self.server) is not None

    def checks_work(self, account: bytes) -> bool:
        """Whether an account is a bonded worker, a validator, or the referee of one."""
        if self.client.read("Workers", "workers", account) is not None:
            return True
        validator = self.client.read("Disputes", "referees", account) or account
        current: ValidatorSet = self.client.read("Session", "current")
        return any(member.account == validator for member in current.validators)

    def has_waiting_extrinsics(self) -> bool:
        """Whether an extrinsic of this server waits for a block."""
        in_blocks: int = self.client.read("Balances", "accounts", self.server).nonce
        return self.client.next_nonce(self.server) > in_blocks

    def find_batch(self, model: bytes, receipts_root: bytes) -> tuple[int, int] | None:
        """(epoch, index) of this server's batch with these receipts, or None."""
        height = self.client.read("Inference", "settled_roots", self.server, receipts_root)
        if height is None:
            return None
        epoch = height // self.epoch_blocks
        count = self.client.read("Inference", "next_batch", model, epoch)
        for index in range(count):
            batch: AnswerBatch = self.client.read("Inference", "batches", model, epoch, index)
            if (batch.server, batch.receipts_root) == (self.server, receipts_root):
                return epoch, index
        return None

    def _authorization(self, user: bytes) -> Authorization:
        record: Authorization = self.client.read("Inference", "authorizations", user, self.server)
        return record
