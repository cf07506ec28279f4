"""Exact operators: the bits of a training step or an answer are the same on every machine."""
