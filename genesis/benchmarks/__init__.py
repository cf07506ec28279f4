"""What `openledger pallet bench` measures of each built-in pallet: its calls' most expensive ways.

A pallet from a package has its cases in its own `benchmarks.py`.
"""
