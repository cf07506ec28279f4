"""`payment_*` and `system_dryRun`: what an extrinsic would cost, and what it would do."""

from __future__ import annotations

from node.chain import Chain
from node.dry_run import DryRunner
from node.errors import Busy, StorageMigrating
from node.json_values import to_json
from node.rpc.method import rpc
from node.rpc.parameters import Extrinsic
from node.rpc.results import DryRun, FeeDetails, FeeInfo
from runtime.errors import DecodeError, InvalidTransaction
from runtime.extrinsic import CheckedExtrinsic
from runtime.fees import EXTRINSIC_UNITS
from runtime.weights import units_of


class PaymentMethods:
    """Nothing is sent, and signatures are not looked at: 64 zero bytes will do.

    Whoever asks for a price need not hold the key, nor hand out what could be sent.
    """

    def __init__(self, chain: Chain, dry_runner: DryRunner) -> None:
        self._chain = chain
        self._dry_runner = dry_runner

    @rpc("payment_queryInfo", DecodeError, InvalidTransaction, StorageMigrating)
    def query_info(self, extrinsic: Extrinsic) -> FeeInfo:
        """What the extrinsic would pay in the next block beside its tip."""
        claimed, _ = self._chain.open_extrinsic(extrinsic)
        return {
            "fee": self._chain.fee_of(claimed),
            "units": _units_of(claimed),
            "length_bytes": len(extrinsic),
        }

    @rpc("payment_queryFeeDetails", DecodeError, InvalidTransaction, StorageMigrating)
    def query_fee_details(self, extrinsic: Extrinsic) -> FeeDetails:
        """The same fee by its parts; `base`, `length` and `weight` are its sum."""
        claimed, _ = self._chain.open_extrinsic(extrinsic)
        schedule = self._chain.schedule()
        return {
            "base": schedule.base,
            "length": len(extrinsic) * schedule.per_byte,
            "weight": (EXTRINSIC_UNITS + _units_of(claimed)) * schedule.per_unit,
            "tip": claimed.tip,
        }

    @rpc("system_dryRun", DecodeError, InvalidTransaction, StorageMigrating, Busy)
    async def dry_run(self, extrinsic: Extrinsic) -> DryRun:
        """Execute an extrinsic on the head's state without a trace, as its sender's next.

        The storage that differs has what its fee and its tip move, too.
        """
        rehearsed = await self._dry_runner.run(extrinsic)
        result = rehearsed.result
        calls = self._chain.runtime.call_codec
        return {
            "outcome": {
                "ok": result.ok,
                "error": result.message,
                "error_name": result.error,
                "remedy": result.remedy,
                "events": [to_json(each, calls) for each in rehearsed.events],
            },
            "spec_version": rehearsed.extrinsic.spec_version,
            "encoded_events": self._chain.runtime.encode_events(rehearsed.events).hex(),
            "fee": result.fee,
            "tip": rehearsed.extrinsic.tip,
            "units": result.weight.units,
            "units_used": units_of(result.reads, result.writes, result.hashes, result.hashed_bytes),
            "reads": result.reads,
            "writes": result.writes,
            "storage": [
                {
                    "key": each.key.hex(),
                    "before": None if each.before is None else each.before.hex(),
                    "after": None if each.after is None else each.after.hex(),
                }
                for each in rehearsed.storage
            ],
        }


def _units_of(extrinsic: CheckedExtrinsic) -> int:
    return extrinsic.definition.weigh(extrinsic.arguments).units
