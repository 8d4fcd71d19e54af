"""Reading and writing of files: atomic writes, locks, tables, JSON checked against a schema."""
