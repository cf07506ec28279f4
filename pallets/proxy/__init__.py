"""Rights to make calls for another account."""
