"""Experiments on a SLURM cluster: preparation, then cells as job arrays, then the report."""
