"""The validator's side of checked computations: it holds what is needed, and judges one step."""
