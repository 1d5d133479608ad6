"""Tokens of the real backbone."""

from __future__ import annotations

import numpy as np
from support.models import direct

from embedlab import Design
from embedlab.analysis.tokens import (
    mask_proof,
    token_view,
)


def test_smollm2_shows_its_sink_and_its_spaces(smollm2):
    view = token_view(smollm2, "The river café\nfroze", Design.parse("causal/mean@20"))
    assert view.tokens[:2] == ("The", "␣river") and "↵" in view.tokens
    assert "␣caf" in "".join(view.tokens) and view.tokens[-1] == smollm2.tokenizer.eos_token
    assert 50 < view.norm_ratio < 200 and view.cosines[0] > 0.95
    # The spike is there from layer 12 to 28, and only at the first token.
    norms = direct(smollm2, "The river café\nfroze", "causal").norm(dim=-1).numpy()
    ratio = norms[:, 0] / np.median(norms[:, 1:], axis=1)
    assert (ratio[12:29] > 20).all() and (ratio[:3] < 5).all() and ratio[30] < 5
    proof = mask_proof(smollm2, "We sat on the bank", "We sat on the committee", "causal")
    assert proof.holds and proof.largest_before == 0
