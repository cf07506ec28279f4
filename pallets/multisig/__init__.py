"""Calls that several accounts make together."""
