"""Benchmarks: `python -m bench.NAME --json`; `bench/README.md` has the last table."""
