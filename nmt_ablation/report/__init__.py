"""From finished cells to what a person reads: rows, a verdict, a figure and a table."""
