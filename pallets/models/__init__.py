"""Base models and adapters, their owners, prices and shares."""
