"""Datanets: their schema, terms, versions, and who uses and earns by them."""
