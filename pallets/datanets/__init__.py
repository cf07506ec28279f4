"""Contributed rows: commit, reveal, review, versions."""
