"""Numbers in, a matplotlib figure out: no training, no files."""
