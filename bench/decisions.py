"""The decision of a block by the only validator of a chain, without running consensus."""

from __future__ import annotations

from consensus.decision import Decision
from consensus.scheme import Scheme
from consensus.votes import Statement, VoteKind
from node.chain import Candidate
from node.consensus.keys import ValidatorKeys
from runtime.errors import InvariantViolation


def decide(candidate: Candidate, keys: ValidatorKeys, scheme: Scheme) -> Decision:
    """Return what decides an executed block; the keys are the only validator's of the scheme."""
    statement = Statement(VoteKind.FINALIZE, candidate.header.height, 1, candidate.block_id)
    vote = keys.sign_vote(statement, scheme.payload(statement))
    certificate = scheme.certify(statement, {0: vote})
    if certificate is None:
        message = "The keys are not those of the only validator."
        raise InvariantViolation(message, remedy="Use the keys of the chain spec.")
    return Decision(certificate, ())
