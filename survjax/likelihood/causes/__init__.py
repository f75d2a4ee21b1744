"""The likelihood of several causes, of which some rows do not tell which it was."""
