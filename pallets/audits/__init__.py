"""Audits of results: auditors drawn by the beacon compute a job again."""
