"""JSON-RPC 2.0 over HTTP: what the node answers."""
