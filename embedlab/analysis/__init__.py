"""Cheap functions of what one pass leaves behind."""
