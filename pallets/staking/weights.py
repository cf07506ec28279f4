"""Weights of Staking, made by `openledger pallet bench Staking`: do not edit."""

from __future__ import annotations

from runtime import Weight

bond = Weight(reads=600, writes=10)
bond_extra = Weight(reads=600, writes=10)
unbond = Weight(reads=600, writes=10)
withdraw = Weight(reads=600, writes=10)
validate = Weight(reads=600, writes=10)
chill = Weight(reads=600, writes=10)
unjail = Weight(reads=600, writes=10)
