"""Disputes over committed computations, and the validators who referee them."""
