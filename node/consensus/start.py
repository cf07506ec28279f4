"""Opens what consensus rests on, and refuses to sign where that is not whole (W3, W6)."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import structlog

from consensus.cryptography import key_scheme
from consensus.errors import LogError, SignerStateError
from consensus.rules import TimeOuts
from consensus.scheme import Scheme
from consensus.signer import SignerState
from consensus.simplex import SchemeOf, Simplex
from node.chain import Chain
from node.config import DataDirectory
from node.consensus.driver import Driver
from node.consensus.execution import Execution
from node.consensus.identity import identify
from node.consensus.keys import ValidatorKeys
from node.consensus.log_file import LogFile
from node.consensus.peers import Peers
from node.consensus.remote_signer import RemoteSigner
from node.consensus.signer_file import FileSigner
from node.consensus.signing import CautiousSigner
from runtime.wire.validators import ValidatorSet

NodeKeys: TypeAlias = ValidatorKeys | RemoteSigner
"""The keys of a node's validator: its own, or those of a signer process."""
SCHEMES_MAX = 4
"""Validator sets whose scheme is kept."""
ROUND_MARGIN_MS = 1_500
"""What a round may take beside the wait for the heartbeat."""
_log = structlog.get_logger("consensus")


def open_driver(
    chain: Chain,
    directory: DataDirectory,
    keys: NodeKeys | None,
    execution: Execution,
    peers: Peers,
) -> Driver:
    """Consensus on the chain, with the log and the signer of the data directory.

    Raises `SignerStateError`, `ConfigError`, `StoreError`.
    """
    log, is_whole = open_log(directory.log)
    signer = None
    if keys is not None:
        signer = open_signer(chain, directory, keys, log, log_is_whole=is_whole)
        if chain.validators.index_of(keys.account) is None:
            # It may be elected later; until then it follows like a node without a key.
            _log.warning("not a validator now", account=keys.account.hex())
    scheme_of = schemes(chain.genesis_hash)
    timeouts = timeouts_of(chain.spec.block_time_ms)
    return Driver(
        chain=chain,
        engine=Simplex(None if keys is None else keys.account, scheme_of, identify, timeouts),
        scheme_of=scheme_of,
        execution=execution,
        peers=peers,
        log=log,
        signer=signer,
        heartbeat_s=chain.spec.block_time_ms / 1_000,
    )


def timeouts_of(block_time_ms: int) -> TimeOuts:
    """The time-outs of a chain: a leader may wait for its heartbeat before it proposes (R1)."""
    return TimeOuts(
        base_ms=block_time_ms + ROUND_MARGIN_MS, step_ms=500, most_ms=30_000, retry_ms=1_000
    )


def schemes(genesis_hash: bytes) -> SchemeOf:
    """Return what finds the scheme of a validator set, which costs something to make."""
    known: dict[bytes, Scheme] = {}

    def scheme_of(validators: ValidatorSet) -> Scheme:
        key = validators.hash()
        if key not in known:
            if len(known) >= SCHEMES_MAX:
                known.clear()
            known[key] = key_scheme(validators, genesis_hash)
        return known[key]

    return scheme_of


def open_log(path: Path) -> tuple[LogFile, bool]:
    """Open the log; whether it was whole.  A damaged one is moved aside.  Raises `StoreError`."""
    try:
        return LogFile.open(path), True
    except LogError as error:
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        _log.error("damaged log", reason=error.message, moved_to=str(aside))
        return LogFile.open(path), False


def file_signer(directory: DataDirectory, keys: ValidatorKeys) -> FileSigner:
    """The signer whose file is in a data directory; raises `ConfigError`, `SignerStateError`."""
    stored = directory.read_signer()
    state = SignerState.new() if stored is None else SignerState.decode(stored)
    return FileSigner(keys, directory.signer, directory.root, state)


def open_signer(
    chain: Chain, directory: DataDirectory, keys: NodeKeys, log: LogFile, *, log_is_whole: bool
) -> CautiousSigner:
    """Open the signer of a validator; raises `SignerStateError` where waiting cannot help.

    If what the keys have signed is not known, it only observes for a while (W6); a chain of one
    validator has nobody to observe.
    """
    held = file_signer(directory, keys) if isinstance(keys, ValidatorKeys) else keys
    signer = CautiousSigner(held, chain.genesis_hash)
    records = log.records_of(chain.head.height + 1)
    missing = not held.remembered() and chain.head.height > 0
    if not (missing or not log_is_whole or not signer.knows(records)):
        return signer
    what = "is missing" if missing else "is older than the log, or the log is damaged"
    if [each.account for each in chain.validators.validators] == [keys.account]:
        raise SignerStateError(
            f"The signer file {what}: this node cannot know what its keys have signed.",
            remedy="Restore it beside the state, or begin a new chain in an empty directory.",
        )
    _log.warning("the signer only observes", reason=f"the signer file {what}")
    signer.observe()
    return signer
