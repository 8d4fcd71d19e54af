"""What segmenting image files takes: which files are meant, what is written of each, and what is never overwritten."""
