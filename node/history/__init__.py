"""Blocks of every spec version decode, by the metadata that their version had.

`codecs` makes codecs of the metadata's notation of types, `decoder` makes of one version's metadata
what decodes its extrinsics, events and storage, and `versions` keeps the decoders in use.
"""
