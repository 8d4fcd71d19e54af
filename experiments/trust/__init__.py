"""When a network's masks are not to be trusted: fitted on a sweep, read off a single image."""
