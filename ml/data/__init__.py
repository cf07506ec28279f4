"""Rows on their way into a Datanet: read from a table, reviewed by the published validator."""
