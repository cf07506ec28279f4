"""Weights of Session, made by `openledger pallet bench Session`: do not edit."""

from __future__ import annotations

from runtime import Weight

set_keys = Weight(reads=10, writes=10, time_ns=5_000_000)
purge_keys = Weight(reads=10, writes=10)
