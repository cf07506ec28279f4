"""How much each trained row moved each answer, and what its owner is paid for it."""
