"""The worker: a bonded process that trains adapters and attributes answers for the chain."""
