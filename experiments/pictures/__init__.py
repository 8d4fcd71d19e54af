"""Images for people: masks over images, suites of corruptions, how curves look."""
