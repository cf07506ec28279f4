"""Blocks of every spec version decode, by the metadata that their version had.

`codecs` makes codecs of the metadata's notation of types, `decoder` makes of one version's metadata
what decodes its extrinsics, events and storage, `versions` keeps the decoders in use, and `stored`
is where a node has the metadata from.
"""
