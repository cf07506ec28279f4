"""One digest of a short exact replay, in a process: `python -m bench.attribution.digests JSON`.

The JSON says which backend computes; libraries and instruction sets come in environment variables.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import torch

from bench.attribution.settlement import answers_to, influence_job
from bench.attribution.testbed import make_testbed
from bench.verify_digests import CONFIGURATIONS
from ml.attribution.metagradient import replay
from ml.training.recipe import default_training_parameters
from runtime.merkle import list_root

STEPS = 2
BATCH_ROWS = 6


def main() -> None:
    """Replay and print the root of the transcript."""
    options = json.loads(sys.argv[1])
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.backends.mkldnn.enabled = options.get("mkldnn", True)
    testbed = make_testbed("library", 0)
    parameters = default_training_parameters(len(testbed.rows))
    short = dataclasses.replace(parameters, steps=STEPS, batch_rows=BATCH_ROWS, warmup_steps=1)
    job = influence_job(
        testbed,
        testbed.run(short),
        answers_to(testbed.queries),
        backend=options.get("backend", "int8"),
    )
    leaves = [leaf.encode() for leaf in replay(job).leaves]
    sys.stdout.write(list_root(leaves).hex() + "\n")


def digests_of_all() -> int:
    """How many digests the replay has over all hostile configurations of `bench.verify`."""
    found = set()
    for environment, options in CONFIGURATIONS:
        command = [sys.executable, "-m", "bench.attribution.digests", json.dumps(options)]
        variables = dict(os.environ) | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        done = subprocess.run(
            command, env=variables | environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.splitlines()[-1])
    return len(found)


if __name__ == "__main__":
    main()
