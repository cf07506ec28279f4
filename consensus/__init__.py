"""Consensus: Simplex, one instance per height.  Pure: events in, effects out; see README.md."""
