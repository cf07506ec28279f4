"""Serving: one base model answers through any of its adapters, token by token."""
