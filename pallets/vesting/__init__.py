"""OPEN that comes free over time."""
