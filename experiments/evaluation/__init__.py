"""What was measured, and the numbers that follow from it: pure functions without files, data or networks."""
