"""Nonces, extrinsics and remarks."""
