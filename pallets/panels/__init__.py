"""Panels of bonded panelists that score what the chain cannot see."""
