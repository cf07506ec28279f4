"""The golden run has its digest here, in hostile configurations, and guards work."""

import os
import subprocess
import sys

import pytest
import torch

from ml.errors import MachineUnfit
from ml.exact import golden
from ml.exact.golden import GOLDEN_DIGEST, golden_digest, require_golden

PROGRAM = "from ml.exact.golden import require_golden; require_golden()"
CONFIGURATIONS = [
    {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "OMP_NUM_THREADS": "2"},
    {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "SSE41", "OMP_NUM_THREADS": "1"},
]


def test_both_backends_compute_the_golden_digest():
    """On the machine that runs the tests."""
    require_golden()


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_hostile_configurations_compute_it_too(configuration):
    """Other instruction sets, libraries and threads, in processes of their own."""
    environment = os.environ | configuration
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, timeout=120)


def test_a_machine_that_differs_refuses_work(monkeypatch):
    """With both digests in the sentence."""
    monkeypatch.setattr(golden, "GOLDEN_DIGEST", "00" * 32)
    with pytest.raises(MachineUnfit, match=GOLDEN_DIGEST[:16]) as caught:
        require_golden()
    assert "no work" in caught.value.remedy


def test_flushing_subnormal_numbers_is_noticed():
    """A processor's mode that would change results far from the golden ones."""
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    try:
        assert golden_digest("int8") != GOLDEN_DIGEST
    finally:
        torch.set_flush_denormal(False)
