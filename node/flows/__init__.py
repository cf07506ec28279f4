"""Where money went: every unit of an epoch from payer to payee, by the events of its blocks."""
