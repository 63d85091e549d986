"""Measures of models: distances, edits, classifiers, and the report on them."""
