"""Calls that are made at a height."""
