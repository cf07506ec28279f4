"""Every error of the node and of its clients; the tree on top.

OpenLedgerError                      a sentence and a remedy (`runtime.errors`)
 `- NodeError
     |- ConfigError                  an option, a file or a data directory that cannot be used
     |   `- InUse                    another process has locked it
     |- BenchmarkError               a pallet's benchmark cases cannot be run
     |- PortInUse                    another process listens there already
     |- KeystoreError                a key file is missing, damaged, or the password is wrong
     |- SignerUnavailable            the signer process does not answer
     |- ContentError                 the content store refuses
     |   |- ContentMissing           nobody has put this hash here
     |   |- ContentTooLarge          the blob or the quota is too large
     |   `- ContentDamaged           bytes on disk no longer have their hash
     |- MempoolError                 an extrinsic is well formed, but the node does not keep it
     |   |- MempoolFull              a cap is reached
     |   |- NonceTaken               another extrinsic of the sender waits with this nonce
     |   |- NonceTooHigh             further ahead of the account than the node queues
     |   |- Banned                   blocks refused it a moment ago
     |   `- Usurped                  another one with its nonce and a higher tip took its place
     |- RequestError                 a JSON-RPC request that cannot be answered
     |   |- UnknownMethod            no such method
     |   |- InvalidParameters        the parameters are not what the method takes
     |   |- NotFound                 no such block, height or key
     |   |- StorageMigrating         an upgrade is not finished; it is for some seconds
     |   |- Busy                     as many such requests are being answered as may be
     |   |- SocketNeeded             a subscription without a connection that can carry it
     |   `- TooManySubscriptions     one connection may not hold more
     |- HttpError                    an HTTP request that cannot be answered, with its status
     `- ClientError                  what a caller of `NodeClient` sees
         |- NodeUnreachable          nothing answers at the URL
         |- RpcFailed                the node answered with an error
         |- CallFailed               the extrinsic is in a block, and its call failed there
         `- InclusionTimeout         no block took the extrinsic in time
"""

from __future__ import annotations

from runtime.errors import OpenLedgerError


class NodeError(OpenLedgerError):
    """An error outside the state machine: I/O, configuration, queues, clients."""


class ConfigError(NodeError):
    """An option, a file or a data directory cannot be used."""


class InUse(ConfigError):
    """Another process has locked the file or the directory."""


class BenchmarkError(NodeError):
    """The benchmark cases of a pallet are missing, incomplete, or do not run."""


class PortInUse(NodeError):
    """The address to listen on cannot be bound."""


class KeystoreError(NodeError):
    """A key file is missing or damaged, or the password does not open it."""


class SignerUnavailable(NodeError):
    """The signer process is not there, or does not sign for this chain."""


class ContentError(NodeError):
    """The content store refuses a request."""


class ContentMissing(ContentError):
    """No content with this hash is stored here."""


class ContentTooLarge(ContentError):
    """The content, or all content together, is larger than allowed."""


class ContentDamaged(ContentError):
    """Bytes on disk no longer have the hash they are stored under."""


class MempoolError(NodeError):
    """A well-formed extrinsic that this node does not keep."""


class MempoolFull(MempoolError):
    """A cap of the mempool is reached."""


class NonceTaken(MempoolError):
    """Another extrinsic of the same sender is waiting with this nonce."""


class NonceTooHigh(MempoolError):
    """The nonce is further ahead of the account than the node queues."""


class Banned(MempoolError):
    """Blocks refused the extrinsic shortly before; it is not taken again at once."""


class Usurped(MempoolError):
    """Another extrinsic with the nonce and a higher tip has taken the place of this one."""


class RequestError(NodeError):
    """A JSON-RPC request that cannot be answered."""


class UnknownMethod(RequestError):
    """The node has no such method."""


class InvalidParameters(RequestError):
    """The parameters are not what the method takes."""


class NotFound(RequestError):
    """The block, height or proof asked for is not here."""


class StorageMigrating(RequestError):
    """An upgrade of the storage is not finished: nothing can be admitted or priced meanwhile."""


class Busy(RequestError):
    """The node answers as many requests of this kind at once as it may."""


class SocketNeeded(RequestError):
    """A subscription is asked for over HTTP, which cannot carry what comes later."""


class TooManySubscriptions(RequestError):
    """A connection has as many subscriptions as it may hold."""


class HttpError(NodeError):
    """An HTTP request that cannot be answered; `status` is the answer's status code."""

    def __init__(self, status: int, message: str, *, remedy: str = "") -> None:
        """Keep the status beside the sentence and the remedy."""
        super().__init__(message, remedy=remedy)
        self.status = status


class ClientError(NodeError):
    """What a caller of `NodeClient` sees."""


class NodeUnreachable(ClientError):
    """Nothing answers at the node's URL."""


class RpcFailed(ClientError):
    """The node answered with an error; `kind` is the name of its type on the node's side."""

    def __init__(self, message: str, *, remedy: str, kind: str, code: int) -> None:
        """Keep what the node said."""
        super().__init__(message, remedy=remedy)
        self.kind = kind
        self.code = code


class CallFailed(ClientError):
    """The extrinsic is in a block, and its call failed there: nothing but its nonce has changed."""

    def __init__(self, error: str, remedy: str, *, name: str = "") -> None:
        """Keep the call's error sentence, its remedy, and the error's `Pallet.Name`."""
        super().__init__(error, remedy=remedy)
        self.error = error
        self.name = name


class InclusionTimeout(ClientError):
    """No block took the extrinsic in time; it may still enter one under `extrinsic_hash`."""

    def __init__(self, message: str, *, remedy: str, extrinsic_hash: bytes) -> None:
        """Keep the hash by which the extrinsic can be looked up."""
        super().__init__(message, remedy=remedy)
        self.extrinsic_hash = extrinsic_hash
