"""A validator that writes all that a node writes, and says when something has reached the disk.

A chain of one validator, its log and its signer, with the code that a node runs and in the order of
`node/consensus/driver.py`: sign, log, flush, and in the end commit.  It starts anew now and then,
so that LevelDB also has tables, and manifests of more than one start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from consensus.cryptography import key_scheme
from consensus.decision import Decision
from consensus.log import KeptBlock
from consensus.votes import Statement, Vote, VoteKind
from genesis.chain_spec import ChainSpec, dev_spec, development_keypair
from node.chain import Candidate, Chain
from node.config import DataDirectory
from node.consensus.keys import ValidatorKeys
from node.consensus.log_file import LogFile
from node.consensus.start import open_log, open_signer
from pallets.system.pallet import System
from runtime.errors import InvariantViolation
from runtime.extrinsic import CheckedExtrinsic, sign_extrinsic

KEYS = ValidatorKeys.from_keypair(development_keypair("validator"))
RESTART_BLOCKS = 20
"""After so many blocks the node stops and starts."""
_REMEDY = "This is a bug: report it."


class Boundary(StrEnum):
    """What an fsync has just made safe."""

    SIGNER = "signer"
    LOG = "log"
    COMMIT = "commit"


@dataclass(slots=True)
class Promises:
    """What a node has said, so that no cut of the power may undo it."""

    blocks: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Id and state root of each committed block, by height."""
    signed: list[Vote] = field(default_factory=list)
    """Every vote, in the order in which they were signed."""
    logged: int = 0
    """How many of them are flushed to the log, so that they may have left this machine (W1)."""

    @property
    def height(self) -> int:
        """Of the last committed block."""
        return len(self.blocks) - 1


def write_blocks(
    directory: DataDirectory,
    commits: int,
    promises: Promises,
    reached: Callable[[Boundary], None],
) -> None:
    """Commit so many blocks in an empty directory; `reached` is called after each fsync."""
    spec = directory.take_spec(dev_spec())
    while promises.height < commits:
        upto = min(commits, max(0, promises.height) + RESTART_BLOCKS)
        _Node(directory, spec, promises, reached).run(upto)


class _Node:
    """One start of the validator."""

    def __init__(
        self,
        directory: DataDirectory,
        spec: ChainSpec,
        promises: Promises,
        reached: Callable[[Boundary], None],
    ) -> None:
        self._chain = Chain.open(directory, spec, KEYS)
        self._log: LogFile
        self._log, is_whole = open_log(directory.log)
        self._signer = open_signer(self._chain, directory, KEYS, self._log, log_is_whole=is_whole)
        self._promises = promises
        self._reached = reached
        if not promises.blocks:
            self._note_head()

    def run(self, upto: int) -> None:
        """Commit blocks up to a height, and stop."""
        with self._log:
            try:
                while self._chain.head.height < upto:
                    self._decide(self._chain.build([self._remark()], 0))
            finally:
                self._chain.close()

    def _remark(self) -> CheckedExtrinsic:
        """A signed extrinsic, so that state, events and look-up tables change."""
        faucet = development_keypair("faucet")
        raw = sign_extrinsic(
            System.remark.Call(data=b"the power may go"),
            faucet,
            genesis_hash=self._chain.genesis_hash,
            spec_version=self._chain.runtime.spec_version,
            nonce=self._chain.nonce_of(faucet.account),
        )
        return self._chain.check(raw)

    def _decide(self, candidate: Candidate) -> None:
        height = candidate.header.height
        self._log.begin(height)
        self._log.append(KeptBlock(candidate.block_id, candidate.encoded))
        for kind in (VoteKind.PROPOSE, VoteKind.NOTARIZE, VoteKind.FINALIZE):
            vote = self._vote(Statement(kind, height, 1, candidate.block_id))
        scheme = key_scheme(self._chain.validators, self._chain.genesis_hash)
        certificate = scheme.certify(vote.statement, {0: vote})
        if certificate is None:
            raise InvariantViolation("One vote of the only validator decides.", remedy=_REMEDY)
        self._log.append(certificate)
        self._flush()
        decision = Decision(certificate, ())
        self._chain.commit(candidate, decision)
        self._chain.advance(candidate, decision)
        self._note_head()
        self._reached(Boundary.COMMIT)

    def _vote(self, statement: Statement) -> Vote:
        vote = self._signer.sign(statement, self._chain.validators.hash())
        if vote is None:
            raise InvariantViolation("The signer refuses the next vote.", remedy=_REMEDY)
        self._promises.signed.append(vote)
        self._reached(Boundary.SIGNER)
        self._log.append(vote)
        self._flush()
        return vote

    def _flush(self) -> None:
        self._log.flush()
        self._promises.logged = len(self._promises.signed)
        self._reached(Boundary.LOG)

    def _note_head(self) -> None:
        self._promises.blocks.append((self._chain.head_id, self._chain.head.state_root))
