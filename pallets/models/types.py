"""What `Models` stores beside the adapters' records, which are in `runtime.wire.records`."""

from __future__ import annotations

from dataclasses import dataclass

from runtime import AccountId, BlockNumber, ShortText


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model that adapters may be trained on, by the manifest hash of its files."""

    name: ShortText
    registrant: AccountId
    registered_at: BlockNumber
