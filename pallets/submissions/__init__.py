"""Contributed rows: commit, reveal, review, settle."""
