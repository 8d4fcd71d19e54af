"""What is read and written: whole files, tables, JSON of a schema."""
