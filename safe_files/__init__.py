"""Readers of files that check form and size before anything is built, and describe what is wrong in one sentence.

Each module imports only the library of its own format: YAML, JSON and tables are read without importing torch.
"""
