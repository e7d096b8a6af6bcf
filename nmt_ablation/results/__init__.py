"""The numbers of an experiment: rows, statistics, curves and decisions, and their files."""
