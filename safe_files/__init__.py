"""The one door for files: form and size are checked before anything is built, and what is wrong is said in a sentence.

Nothing here imports torch, and each kind of file imports its own library alone.
"""
