"""What Studio knows of a chain: one websocket to a node, an index of its blocks, decoded state."""
