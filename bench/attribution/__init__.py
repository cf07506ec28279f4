"""The measured truth of Proof of Attribution: how faithful influence is, and at what price."""
