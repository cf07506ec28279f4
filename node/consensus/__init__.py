"""Consensus with clock, disk and network: everything that the engine's effects ask for."""
