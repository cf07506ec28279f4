"""The cases of `Models`, on a model that was trained."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Scene
from genesis.embedded_model import EMBEDDED_BASE
from genesis.sandbox import Sandbox
from genesis.scenes import ADAPTER, BUILDER, USER, trained
from pallets.models.pallet import Models
from runtime.hashing import hash_text
from runtime.types import OPEN

_SHARES = Models.share_terms.default.usual
_TEXT_BYTES_MAX = 64
_PROPOSED = hash_text(b"a proposed base model")


def _register_base(_sandbox: Sandbox) -> Scene:
    call = Models.register_base.Call(
        content_hash=_PROPOSED, name="n" * _TEXT_BYTES_MAX, shape=EMBEDDED_BASE.shape
    )
    return Scene(BUILDER, call)


def _admit_base(sandbox: Sandbox) -> Scene:
    sandbox.ok(BUILDER, _register_base(sandbox).call)
    return Scene(None, Models.admit_base.Call(content_hash=_PROPOSED))


def _publish(sandbox: Sandbox) -> Scene:
    trained(sandbox)
    return Scene(BUILDER, Models.publish.Call(model=ADAPTER))


def _set_price(sandbox: Sandbox) -> Scene:
    trained(sandbox)
    call = Models.set_price.Call(model=ADAPTER, input_per_1000=OPEN, output_per_1000=2 * OPEN)
    return Scene(BUILDER, call)


def _set_shares(sandbox: Sandbox) -> Scene:
    trained(sandbox)
    call = Models.set_shares.Call(
        model=ADAPTER,
        owner_ppb=_SHARES.owner_ppb,
        stakers_ppb=_SHARES.stakers_ppb,
        worker_ppb=_SHARES.worker_ppb,
        contributors_ppb=_SHARES.contributors_ppb,
    )
    return Scene(BUILDER, call)


def _grant(sandbox: Sandbox) -> Scene:
    trained(sandbox)
    return Scene(BUILDER, Models.grant.Call(model=ADAPTER, account=USER.account))


def _revoke_grant(sandbox: Sandbox) -> Scene:
    scene = _grant(sandbox)
    sandbox.ok(BUILDER, scene.call)
    return Scene(BUILDER, Models.revoke_grant.Call(model=ADAPTER, account=USER.account))


def _retire(sandbox: Sandbox) -> Scene:
    trained(sandbox)
    return Scene(BUILDER, Models.retire.Call(model=ADAPTER))


BENCHMARKS = tuple(
    map(
        Benchmark,
        (
            _register_base,
            _admit_base,
            _publish,
            _set_price,
            _set_shares,
            _grant,
            _revoke_grant,
            _retire,
        ),
    )
)
