"""RPC bodies: whatever is sent, the answer is JSON-RPC with a code of the table, never a fault.

An input is a changed request, or batch of requests, to any method of the node; half of them also
have parameters that were changed as JSON.  A node's dispatcher answers, on a chain in use, as a
connection that can carry subscriptions.
"""

from __future__ import annotations

import atexit
import json
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import trio

from bench.decisions import decide
from consensus.cryptography import key_scheme
from genesis.chain_spec import dev_spec, development_keypair
from node.admission import Admission
from node.chain import Chain
from node.config import DataDirectory
from node.consensus.keys import ValidatorKeys
from node.content import ContentStore
from node.logs import configure_logs
from node.mempool import Mempool
from node.mempool_journal import MempoolJournal
from node.metrics import Metrics
from node.rpc.dispatch import Dispatcher
from node.rpc.errors import CODES, INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, REFUSED
from node.rpc.method import Feed
from node.rpc.methods import public_methods
from node.rpc.network import Alone
from node.rpc.server import NodeParts, public_dispatcher
from node.verifier import Verifier, VerifierProcess
from pallets.balances.pallet import Balances
from runtime.extrinsic import sign_extrinsic, unsigned_extrinsic
from tests.fuzz.campaign import Finding, Step, main
from tests.fuzz.mutation import mutate, pick

BATCHES = 0.1
"""The part of the inputs that are batches."""
REASONABLE = 0.5
"""The part of the inputs whose parameters are exchanged as JSON, and whose bytes are not."""
ALLOWED_CODES = frozenset({PARSE_ERROR, INVALID_REQUEST, REFUSED, *CODES.values()})
STRANGE: Sequence[Any] = (
    *(None, True, False, 0, 1, -1, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, "", "0x", "00", "zz"),
    *(
        "00" * 32,
        "00" * 513,
        "é" * 64,
        "\ud800",
        [],
        [[]],
        [0] * 1_001,
        {},
        {"a": 1},
        [["00"] * 65],
    ),
)


class Silent:
    """A `node.rpc.method.Subscriber` that ends what begins."""

    def begin(self, _notification: str, feed: Feed) -> str:
        """Forget it at once."""
        feed.close()
        return "1"

    def end(self, _subscription: str) -> bool:
        """There is none."""
        return False


def make() -> Step:
    """Return the fuzzer's step; the chain that it asks lives until the process ends."""
    configure_logs("error")
    stack = ExitStack()
    atexit.register(stack.close)
    dispatcher, values, token = stack.enter_context(_asked())
    silent = Silent()
    methods = public_methods()
    bodies = [
        json.dumps(
            _request(method.name, [values[each.name] for each in method.parameters])
        ).encode()
        for method in methods
    ]

    def step(random: Random) -> bool:
        if random.random() < BATCHES:
            parts = [pick(random, bodies) for _ in range(1 + int(random.random() * 4))]
            body = mutate(random, [b"[" + b",".join(parts) + b"]"])
        elif random.random() < REASONABLE:
            method = pick(random, methods)
            strange = [
                pick(random, STRANGE) if random.random() < REASONABLE else values[each.name]
                for each in method.parameters
            ]
            body = json.dumps(_request(method.name, strange)).encode()
        else:
            body = mutate(random, bodies)
        answer = trio.from_thread.run(dispatcher.answer, body, silent, trio_token=token)
        return _check(body, answer)

    return step


def _request(name: str, parameters: Sequence[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": name, "params": list(parameters)}


def _check(body: bytes, answer: bytes) -> bool:
    """Whether every request of a body was answered with a result."""
    if not answer:
        return True
    found = json.loads(answer, parse_constant=_refuse)
    accepted = True
    for each in found if isinstance(found, list) else [found]:
        if each["jsonrpc"] != "2.0" or ("result" in each) == ("error" in each):
            raise Finding("an answer is not JSON-RPC", body)
        error = each.get("error")
        if error is not None:
            accepted = False
            if error["code"] == INTERNAL_ERROR or error["code"] not in ALLOWED_CODES:
                raise Finding(f"the node fails: {error}", body)
            if not (error["message"] and error["data"]["type"] and error["data"]["remedy"]):
                raise Finding("an error does not say what is wrong and what to do", body)
    return accepted


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@contextmanager
def _asked() -> Iterator[tuple[Dispatcher, dict[str, Any], trio.lowlevel.TrioToken]]:
    """A dispatcher on a chain of some blocks, a good value for each parameter, and its loop."""
    keys = ValidatorKeys.from_keypair(development_keypair("validator"))
    alice = development_keypair("alice")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openledger-fuzz-")))
        directory = DataDirectory(folder / "node")
        directory.begin(dev_spec())
        chain = Chain.open(directory, dev_spec(), keys)
        stack.callback(chain.close)
        call = Balances.transfer.Call(receiver=keys.account, amount=5)
        for nonce in range(3):
            raw = sign_extrinsic(
                call, alice, genesis_hash=chain.genesis_hash, spec_version=1, nonce=nonce
            )
            candidate = chain.build([chain.check(raw)], 0)
            decision = decide(candidate, keys, key_scheme(chain.validators, chain.genesis_hash))
            chain.commit(candidate, decision)
            chain.advance(candidate, decision)
        mempool = Mempool()
        journal = stack.enter_context(MempoolJournal(directory.mempool, mempool.encoded))
        verifier = Verifier(stack.enter_context(VerifierProcess()))
        admission = Admission(chain, mempool, journal, verifier, lambda: None, lambda _raw: None)
        content = ContentStore(directory.content, quota_bytes=2**20)
        parts = NodeParts(
            chain,
            mempool,
            admission,
            content,
            Alone(keys.account),
            Metrics(),
            directory,
            keys.account,
        )
        token = stack.enter_context(_running(verifier, journal))
        key = Balances.accounts.storage_key(alice.account).hex()
        unsigned = unsigned_extrinsic(call, alice.account, spec_version=1, nonce=3)
        values = {
            "extrinsic": unsigned.hex(),
            "extrinsic_hash": candidate.extrinsic_hashes[-1].hex(),
            "subscription": "1",
            "count": 3,
            "block": chain.head_id.hex(),
            "height": 2,
            "since": 1,
            "decoded": True,
            "key": key,
            "keys": [key],
            "prefix": key[:8],
            "after": None,
            "together": True,
            "account": alice.account.hex(),
            "hashes": ["00" * 32],
        }
        yield public_dispatcher(parts)[0], values, token


@contextmanager
def _running(verifier: Verifier, journal: MempoolJournal) -> Iterator[trio.lowlevel.TrioToken]:
    """A thread with the tasks of a node; gives the token of its loop."""
    started: Future[tuple[trio.lowlevel.TrioToken, trio.CancelScope]] = Future()

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(verifier.run)
            nursery.start_soon(journal.run)
            started.set_result((trio.lowlevel.current_trio_token(), nursery.cancel_scope))

    thread = threading.Thread(target=trio.run, args=(run,), daemon=True)
    thread.start()
    token, scope = started.result()
    try:
        yield token
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join()


if __name__ == "__main__":
    main("rpc", make)
