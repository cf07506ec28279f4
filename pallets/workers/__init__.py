"""Bonded workers: who may take jobs and audit them, and with what at stake."""
