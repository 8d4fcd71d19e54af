"""The page of `demo`: what it shows, how it looks, and how it is served."""
