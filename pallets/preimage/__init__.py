"""Calls by their hashes."""
