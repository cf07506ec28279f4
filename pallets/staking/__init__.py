"""Bonds behind the validators."""
