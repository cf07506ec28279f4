"""Referenda on tracks, which carry any call."""
