"""Pretraining of networks, with fairseq's trainer and a task of our own."""
