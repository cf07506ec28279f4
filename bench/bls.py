"""What one verification of a commit costs, with both BLS backends, beside ed25519.

    python -m bench.bls --json

Times are CPU time of the measuring thread, medians of several rounds.  `_over_ed25519` is how many
ed25519 signatures are verified in that time: below the number of validators, an aggregate is the
cheaper certificate.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from bench.report import report
from consensus.bls import Bls, arkworks, key_gen, reference
from runtime.keys import Keypair, verify

BACKENDS: dict[str, tuple[Bls, int]] = {"arkworks": (arkworks, 25), "py_ecc": (reference, 3)}
"""Each with its rounds: py_ecc takes a third of a second for one."""
SIZES = (4, 64, 256)
MESSAGE = b"m" * 32
"""As long as the payload of a vote."""
ED25519_ROUNDS = 200


def figures() -> dict[str, float]:
    """The figures by their names."""
    keypair = Keypair.from_seed(MESSAGE)
    signature = keypair.sign(MESSAGE)
    unit = _median_ms(lambda: verify(keypair.account, MESSAGE, signature), ED25519_ROUNDS)
    found = {"ed25519_verify_ms": unit}
    secrets = [key_gen(number.to_bytes(32, "big")) for number in range(max(SIZES))]
    keys = [arkworks.public_key(secret) for secret in secrets]
    shares = [arkworks.sign(secret, MESSAGE) for secret in secrets]
    for name, (backend, rounds) in BACKENDS.items():
        found[f"{name}_sign_ms"] = _median_ms(lambda: backend.sign(secrets[0], MESSAGE), rounds)  # noqa: B023 # it is called at once
        for size in SIZES:
            cost = _verify_ms(backend, keys[:size], shares[:size], rounds)
            found[f"{name}_verify_ms_{size}"] = cost
            found[f"{name}_verify_{size}_over_ed25519"] = cost / unit
    return found


def _verify_ms(backend: Bls, keys: list[bytes], shares: list[bytes], rounds: int) -> float:
    """Milliseconds to verify the aggregate of all; the keys are known, as those of a set are."""
    total = arkworks.aggregate(shares)
    if total is None or not backend.fast_aggregate_verify(keys, MESSAGE, total):
        raise SystemExit("The aggregate does not verify.")
    return _median_ms(lambda: backend.fast_aggregate_verify(keys, MESSAGE, total), rounds)


def _median_ms(work: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        started = time.thread_time()
        work()
        taken.append(time.thread_time() - started)
    return statistics.median(taken) * 1e3


if __name__ == "__main__":
    report("bls", figures())
