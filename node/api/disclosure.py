"""How a bonded worker asks a server for the answers of an epoch, and what it gets.

    GET /answers/<model>/<epoch>?start=<index>
    X-OpenLedger-Account: <account, hex>
    X-OpenLedger-Height: <the finalised height, decimal>
    X-OpenLedger-Signature: <signature, hex>

The signature is over the chain, the server's account, method, target and height, so that it is good
for one request to one server for `HEIGHTS_MAX` blocks.  The answer is a blob of `DisclosedAnswer`s,
one page of them; an empty blob is the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from node.api.errors import InvalidRequest, NotDisclosed
from runtime.codec import codec_of
from runtime.hashing import hasher
from runtime.keys import Keypair, verify
from runtime.types import Hash, Max

HEIGHTS_MAX = 64
"""How many blocks old a signed request may be."""
PAGE_ANSWERS_MAX = 64
TEXT_BYTES_MAX = 1024 * 1024
ACCOUNT_HEADER = "x-openledger-account"
HEIGHT_HEADER = "x-openledger-height"
SIGNATURE_HEADER = "x-openledger-signature"
HEIGHT_DIGITS_MAX = 20
_hash_request = hasher(b"answers request")


@dataclass(frozen=True, slots=True)
class DisclosedAnswer:
    """An answer as a worker sees it; without texts when the user did not agree to show them."""

    receipt_hash: Hash
    prompt: Annotated[str, Max(TEXT_BYTES_MAX)] | None
    output: Annotated[str, Max(TEXT_BYTES_MAX)] | None

    def encode(self) -> bytes:
        """The canonical bytes: an item of a page."""
        return codec_of(DisclosedAnswer).encode(self)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """Who asks, and at which height; the signature holds."""

    account: bytes
    height: int


def answers_target(model: bytes, epoch: int, start: int) -> str:
    """Path and query of one page."""
    return f"/answers/{model.hex()}/{epoch}?start={start}"


def sign_request(
    keypair: Keypair, genesis_hash: bytes, server: bytes, target: str, height: int
) -> dict[str, str]:
    """The headers of a signed `GET target`."""
    signature = keypair.sign(_payload(genesis_hash, server, target, height))
    return {
        ACCOUNT_HEADER: keypair.account.hex(),
        HEIGHT_HEADER: str(height),
        SIGNATURE_HEADER: signature.hex(),
    }


def check_request(
    headers: Mapping[str, str], genesis_hash: bytes, server: bytes, target: str, height: int
) -> SignedRequest:
    """Check signature and age of a `GET target`; raises `NotDisclosed` and `InvalidRequest`."""
    try:
        account = bytes.fromhex(headers[ACCOUNT_HEADER])
        signature = bytes.fromhex(headers[SIGNATURE_HEADER])
        digits = headers[HEIGHT_HEADER]
        signed_height = int(digits[:HEIGHT_DIGITS_MAX])
    except (KeyError, ValueError) as error:
        names = f"{ACCOUNT_HEADER}, {HEIGHT_HEADER}, {SIGNATURE_HEADER}"
        raise InvalidRequest(
            "The request for answers is not signed.", remedy=f"Send the headers {names}."
        ) from error
    if not verify(account, _payload(genesis_hash, server, target, signed_height), signature):
        raise NotDisclosed(
            "The signature of the request does not hold.",
            remedy="Sign chain, server, target and height with the key of the account.",
        )
    if abs(height - signed_height) > HEIGHTS_MAX:
        raise NotDisclosed(
            f"The request was signed at height {signed_height}, and the chain is at {height}.",
            remedy="Sign it at the current finalised height.",
        )
    return SignedRequest(account, signed_height)


def _payload(genesis_hash: bytes, server: bytes, target: str, height: int) -> bytes:
    return _hash_request(genesis_hash + server + f"GET {target} {height}".encode())
