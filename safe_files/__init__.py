"""The one door for files: form and size are checked before anything is built, and what is wrong is said in a sentence.

Each kind of file imports its own library alone: light verbs read YAML, JSON and tables without torch.
"""
