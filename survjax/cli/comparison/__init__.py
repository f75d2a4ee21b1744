"""`survjax compare`: several lifetimes fitted to one file."""
