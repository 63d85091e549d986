"""Faces as data: sources, preparation, the cache on disk, and the choice of a subset."""
