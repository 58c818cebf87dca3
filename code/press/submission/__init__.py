"""The check of the two files that are handed in."""
