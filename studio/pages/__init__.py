"""One small module a page."""
