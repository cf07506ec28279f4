"""Votes, conviction and delegation."""
