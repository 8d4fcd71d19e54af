"""What the masks of the batch contract hold."""

IGNORED = 255
"""The value of a pixel that counts nowhere: in no loss and in no metric."""
