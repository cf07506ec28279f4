"""The pallets: what the chain keeps and by which rules; they know each other by traits only."""
