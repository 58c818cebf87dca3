"""Derivations as data: the object that is shown is the object checked."""
