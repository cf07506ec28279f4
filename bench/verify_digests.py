"""One digest of a short training, in a process of its own: `python -m bench.verify_digests JSON`.

The JSON says what differs from the usual: the backend, the order of the rows, in how many parts
they are taken.  What differs in libraries and instruction sets comes in environment variables.  The
last line printed is a JSON object with the digests of the exact training and of torch's.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Any

import torch

from bench.verify_peers import TorchTraining
from bench.verify_work import NANO, SETTINGS, nano_rows, start_of
from ml.exact.adapter import Adapter
from ml.exact.gradients import batch_gradient
from ml.exact.model import ExactModel
from ml.exact.optimiser import AdamState, adam_step

STEPS = 3
ROWS = 6
CONFIGURATIONS: tuple[tuple[dict[str, str], Mapping[str, Any]], ...] = (
    ({}, {}),
    ({"OMP_NUM_THREADS": "2"}, {}),
    ({"ATEN_CPU_CAPABILITY": "default"}, {"backend": "float64", "parts": 6}),
    ({"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "COMPATIBLE"}, {"backend": "float64"}),
    ({"MKL_CBWR": "AVX2", "OMP_NUM_THREADS": "2"}, {"backend": "float64", "reverse": True}),
    ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, {"reverse": True}),
    ({"ONEDNN_MAX_CPU_ISA": "SSE41"}, {"parts": 2}),
    ({"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, {"parts": 6}),
    ({"OMP_NUM_THREADS": "2"}, {"mkldnn": False, "reverse": True, "parts": 3}),
)
"""What a worker may find itself in: environment, and how it divides its work.

Fewer parts put short rows beside long ones, which pads them; six parts pad none.
"""


def main() -> None:
    """Train and print the digests."""
    options = json.loads(sys.argv[1])
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    torch.set_num_threads(threads)
    torch.backends.mkldnn.enabled = options.get("mkldnn", True)
    digests = {"exact": exact_digest(options), "torch": torch_digest(options)}
    sys.stdout.write(json.dumps(digests) + "\n")


def exact_digest(options: Mapping[str, Any]) -> str:
    """The hash of the training state after a few steps."""
    model = ExactModel.load(NANO, options.get("backend", "int8"))
    start = start_of(model, seed=0)
    state = AdamState.initial(start.vector)
    for step in range(STEPS):
        rows = nano_rows()[step * ROWS : (step + 1) * ROWS]
        rows = rows[::-1] if options.get("reverse") else rows
        width = ROWS // options.get("parts", 1)
        adapter = Adapter(start.layout, state.parameters)
        found = [
            batch_gradient(model, adapter, rows[at : at + width]) for at in range(0, ROWS, width)
        ]
        state = adam_step(state, reduce(add, found), SETTINGS)
    return hashlib.sha256(state.encode()).hexdigest()


def torch_digest(options: Mapping[str, Any]) -> str:
    """The hash of the adapter that torch trained."""
    training = TorchTraining(NANO, start_of(ExactModel.load(NANO), seed=0))
    for step in range(STEPS):
        rows = nano_rows()[step * ROWS : (step + 1) * ROWS]
        training.step(rows[::-1] if options.get("reverse") else rows, SETTINGS)
    return hashlib.sha256(training.vector().numpy().tobytes()).hexdigest()


def digests_of_all() -> tuple[int, int]:
    """How many digests all configurations have: of the exact operators, and of torch."""
    found = []
    for environment, options in CONFIGURATIONS:
        command = [sys.executable, "-m", "bench.verify_digests", json.dumps(options)]
        variables = dict(os.environ) | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        done = subprocess.run(
            command, env=variables | environment, capture_output=True, text=True, check=True
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return len({each["exact"] for each in found}), len({each["torch"] for each in found})


if __name__ == "__main__":
    main()
