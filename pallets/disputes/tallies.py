"""What follows from validators' signatures, and for which work they are collected."""

from __future__ import annotations

from pallets.disputes.types import Tally
from runtime.wire.records import UNFINISHED, Job
from runtime.wire.validators import ValidatorSet


def is_carried(tally: Tally, validators: ValidatorSet, result: bytes) -> bool:
    """Whether validators of more than 2/3 of the weight signed this result."""
    signers = [each.validator for each in tally.given if each.result == result]
    weights_of = [member.weight for member in validators.validators if member.account in signers]
    return sum(weights_of) >= validators.quorum


def may_be_certified(job: Job) -> bool:
    """Whether the work goes on, and its result is not certified yet."""
    return job.state in UNFINISHED and not job.certified
