"""Accounts without a key that several pallets pay into; spending from them is governance's."""

from __future__ import annotations

from runtime.keys import pallet_account

TREASURY = pallet_account("Treasury")
"""Platform fees, forfeited bonds, slashes, dust, and payouts that nobody claimed."""
STAKERS = pallet_account("Stakers")
"""The stakers' share of every answer, until the session ends and staking shares it out."""
ECOSYSTEM = pallet_account("Genesis.ecosystem")
"""The ecosystem's part of the genesis allocation, which comes free over time."""
