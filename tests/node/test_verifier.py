"""The verifier: signatures checked in another process, together, and without it all the same."""

from __future__ import annotations

import pytest
import trio

from node.verifier import Verifier, VerifierProcess, VerifierStopped
from runtime.extrinsic import SignatureClaim
from runtime.keys import Keypair

ALICE = Keypair.from_seed(bytes([1]) * 32)


def claim(number: int, *, valid: bool = True) -> SignatureClaim:
    """A signed payload, or one whose signature is of another."""
    payload = b"payload %d" % number
    return ALICE.account, payload, ALICE.sign(payload if valid else b"another")


def test_each_signature_has_its_answer() -> None:
    """In order, whatever the sizes; several requests can be under way."""
    claims = [claim(number, valid=number % 3 != 0) for number in range(500)]
    with VerifierProcess() as process:
        first, second = process.start(claims), process.start(claims[:7])
        assert first.result() == [number % 3 != 0 for number in range(500)]
        assert second.result() == first.result()[:7]
        assert process.start([]).result() == []


def test_concurrent_requests_share_messages() -> None:
    """A hundred callers at once each learn about their own signature."""

    async def ask(verifier: Verifier, number: int, answers: dict[int, bool]) -> None:
        answers[number] = await verifier.holds(claim(number, valid=number % 2 == 0))

    async def main(process: VerifierProcess) -> dict[int, bool]:
        verifier = Verifier(process)
        answers: dict[int, bool] = {}
        async with trio.open_nursery() as server:
            server.start_soon(verifier.run)
            async with trio.open_nursery() as callers:
                for number in range(100):
                    callers.start_soon(ask, verifier, number, answers)
            await ask(verifier, 100, answers)
            server.cancel_scope.cancel()
        return answers

    with VerifierProcess() as process:
        expected = {number: number % 2 == 0 for number in range(101)}
        assert trio.run(main, process) == expected
        process._process.kill()  # a fault that only this test causes
        assert trio.run(main, process) == expected


def test_a_dead_process_is_a_typed_error() -> None:
    """Whoever asks it directly hears of it."""
    with VerifierProcess() as process:
        process._process.kill()  # a fault that only this test causes
        process._process.wait()  # as above
        with pytest.raises(VerifierStopped):
            process.start([claim(1)]).result()
