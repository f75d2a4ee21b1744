"""From data to the highest interior maximum: starts, searches, what makes a maximum an answer."""
