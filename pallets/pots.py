"""Accounts without a key that several pallets pay into; spending from them is governance's."""

from __future__ import annotations

from runtime.keys import pallet_account

TREASURY = pallet_account("Treasury")
"""Platform fees, forfeited bonds, and payouts that nobody claimed."""
STAKERS = pallet_account("Stakers")
"""The stakers' share of every answer, until staking distributes it."""
