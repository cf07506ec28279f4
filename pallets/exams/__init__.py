"""Held-out rows that models are scored on."""
