"""How a referendum stands: its shares, what they must reach, and when they would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.errors import ClientError
from pallets.governance.decision import standing_of
from runtime.types import PPB

if TYPE_CHECKING:
    from node.client import NodeClient
    from pallets.governance.types import Outcome, Referendum


def standing(client: NodeClient, number: int) -> dict[str, Any]:
    """What there is to say of a referendum; raises `ClientError` for one that is not there."""
    with client.reading() as pallets:
        governance = pallets.governance
        ended = governance.outcomes.get(number)
        asked = governance.referenda.get(number)
        if ended is not None:
            return _ended(number, ended) | {"call": _name(client, ended.call_hash, pallets)}
        if asked is None:
            message = f"There is no referendum {number}."
            raise ClientError(message, remedy="Take one of `openledger gov list`.")
        height = client.height()
        terms, electorate = governance.terms(asked.track), governance.electorate()
        since = asked.deciding_since
        elapsed = 0 if since is None else height - since
        now = standing_of(asked.tally, terms, electorate, elapsed)
        fields = {
            "referendum": number,
            "track": asked.track.name.lower(),
            "call": _name(client, asked.call_hash, pallets),
            "state": _state(asked),
            "approval": f"{_percent(now.approval_ppb)} of {_percent(now.approval_needed_ppb)}",
            "support": f"{_percent(now.support_ppb)} of {_percent(now.support_needed_ppb)}",
            "height": height,
        }
        if since is None:
            return fields | {"prepared_at": asked.submitted_at + terms.prepare_blocks}
        ends_at = since + terms.decision_blocks
        fields["decided_until"] = ends_at
        passes_after = now.passes_after
        if asked.confirming_since is not None:
            fields["approved_at"] = asked.confirming_since + terms.confirm_blocks
        elif passes_after is not None and since + passes_after <= ends_at:
            passes_at = max(height + 1, since + passes_after)
            fields["would_pass_at"] = passes_at
            fields["would_be_approved_at"] = passes_at + terms.confirm_blocks
        return fields


def _ended(number: int, ended: Outcome) -> dict[str, Any]:
    return {
        "referendum": number,
        "track": ended.track.name.lower(),
        "state": ended.result.name.lower(),
        "ended_at": ended.ended_at,
    }


def _state(asked: Referendum) -> str:
    if asked.confirming_since is not None:
        return "confirming"
    if asked.deciding_since is not None:
        return "deciding"
    return "preparing" if asked.depositor is not None else "needs a decision deposit"


def _name(client: NodeClient, call_hash: bytes, pallets: Any) -> str:
    """The name of a noted call, or its hash once it is gone."""
    held = pallets.preimage.calls.get(call_hash)
    if held is None:
        return call_hash.hex()
    codec = client.runtime.call_codec
    return str(codec.restore(codec.to_plain(held)).call_definition)


def _percent(share_ppb: int) -> str:
    return f"{share_ppb * 100 / PPB:.2f} %"
