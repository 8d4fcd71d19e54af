"""What was measured, and the numbers that follow from it: pure functions and files, without torch."""
