"""What extrinsics cost, and who receives it."""
