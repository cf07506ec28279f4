"""Bounties: a pallet for OpenLedger chains, and a model for yours."""
