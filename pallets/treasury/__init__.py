"""What belongs to the chain, and how it is spent."""
