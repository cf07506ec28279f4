"""Versioned formats that two siblings share: rows, manifests, records, receipts."""
