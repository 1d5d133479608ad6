"""Figures and pages. Knows no Gradio and no torch."""
