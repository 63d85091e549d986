"""What `bench/feel.py` is made of: one module a thing that is measured, and what they share."""
