"""Typed clients that are generated from a runtime's metadata, and what they are made of.

`base`, `calls`, `storage` are the parts, `openledger` is the client of our own runtime, and
`generator` writes such a module for any other: `openledger client generate --node URL`.
"""
