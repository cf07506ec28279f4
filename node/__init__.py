"""All I/O: block production, mempool, RPC, content store, keys, client, command line."""
