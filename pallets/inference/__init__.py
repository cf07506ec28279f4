"""Escrow of users and batches of paid answers."""
