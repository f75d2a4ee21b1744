"""What columns do: to which parameters, and which effects do not move."""
