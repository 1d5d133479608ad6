"""The interface: the only package that knows Gradio."""
