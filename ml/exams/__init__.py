"""Exams: how a model does on held-out rows, leaf by leaf under a transcript."""
