"""What our modules take from transformers at their top, imported in one place.

transformers puts another module in its own place while it is imported. Of two threads that import
it from two sides, as a server's do, the second would find the one from before ("cannot import
name …"). A module of our own is imported by one thread, and others wait for it.
"""

from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.utils import logging as transformers_logging

__all__ = [
    "AttentionInterface",
    "AttentionMaskInterface",
    "sdpa_attention_forward",
    "sdpa_mask",
    "transformers_logging",
]
