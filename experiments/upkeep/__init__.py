"""What keeps the project honest: measured speed, parity with the reference, filled pages, studies."""
