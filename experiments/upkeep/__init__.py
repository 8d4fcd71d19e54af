"""Maintenance: measured speed, parity with the reference, generated tables of pages, studies."""
