"""Pictures that show whether a model is any good, and which of several is."""
