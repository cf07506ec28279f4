"""Weights of Upgrade, made by `openledger pallet bench Upgrade`: do not edit."""

from __future__ import annotations

from runtime import Weight

schedule = Weight(reads=10, writes=10)
cancel = Weight(reads=10, writes=10)
