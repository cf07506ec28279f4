"""Bonded workers and training jobs."""
