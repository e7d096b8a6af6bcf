"""Training of arms, with fairseq's trainer and a task of our own."""
