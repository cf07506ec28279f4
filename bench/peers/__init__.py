"""Other Python chains on the same machine; each runs in a virtual environment of its own."""
