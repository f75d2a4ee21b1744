"""What is sure of several causes: bounds of what each ends, and replicates of their fit."""
