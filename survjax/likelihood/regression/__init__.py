"""What a regression model is, and its likelihood: of rows, and of units with histories."""
