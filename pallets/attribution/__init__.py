"""Who earns the contributors' share of an epoch."""
