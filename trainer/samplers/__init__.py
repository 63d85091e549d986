"""Samplers of p(z|y) and what they are made of; `trainer.sampling` gathers them behind one signature."""
