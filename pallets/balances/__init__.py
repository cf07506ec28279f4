"""Accounts of the native token."""
