"""Measurements on trained models that the report shows."""
