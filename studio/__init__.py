"""Studio: the web interface of OpenLedger, in its own process.

It speaks to a node's RPC and to a server's API and knows no pallet's code: what a chain has, its
metadata say.  A page is a view: jobs live in workers and on the chain, keys in the keystore of this
machine, and a reload loses nothing.
"""
