"""Attention modes: which tokens a token can attend to, layer by layer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from embedlab.errors import EmbedLabError

#: The paper's two modes, which plots compare side by side.
ATTENTIONS = ("causal", "bidirectional")
#: All modes by the word that a design starts with; ``bidirectional>k`` is a form of the second.
ATTENTION_MODES = (*ATTENTIONS, "rerouted")
#: What an architecture is probed for.
PROBED = (*ATTENTION_MODES, "bidirectional>k")

_MODE = re.compile(
    r"(?P<mode>causal|bidirectional|rerouted)(?:>(?P<above>[1-9]\d{0,3}))?"
    r"(?:\[(?P<first>\d{1,4})\.\.(?P<last>\d{1,4})\])?(?:(?P<bias>[+-]\d[\d.e+-]*))?"
)


@dataclass(frozen=True, kw_only=True)
class Attention:
    """One attention mode with its parameters; ``Attention.parse(str(it)) == it``.

    ``causal`` and ``bidirectional`` are the paper's. ``bidirectional>k`` is causal in the layers
    1 … k and bidirectional above. ``rerouted`` (KV-Embedding, arXiv 2601.01046) is causal, but in
    the layers of a band every token also attends to the last token's key and value, which are put
    before the sequence; ``bias`` is added to the scores of that place.

    ``band`` counts layers from 1 and includes both ends; None is the middle third of them.
    """

    mode: str = "causal"
    above: int = 0
    band: tuple[int, int] | None = None
    bias: float = 0.0

    def __str__(self) -> str:
        above = f">{self.above}" if self.above else ""
        band = "" if self.band is None else f"[{self.band[0]}..{self.band[1]}]"
        return self.mode + above + band + (f"{self.bias:+}" if self.bias else "")

    @classmethod
    def parse(cls, text: str) -> Attention:
        """Read what ``str`` writes, such as ``bidirectional>8`` or ``rerouted[10..19]+0.5``.

        Raises:
            EmbedLabError: it is none of these.
        """
        match = _MODE.fullmatch(text)
        if match is None or (match["above"] and match["mode"] != "bidirectional"):
            raise EmbedLabError(
                f"{text[:60]!r} is not an attention mode; use one of causal, bidirectional, "
                "bidirectional>k (causal up to layer k, from 1) or rerouted."
            )
        band = None if match["first"] is None else (int(match["first"]), int(match["last"]))
        return cls(
            mode=match["mode"],
            above=int(match["above"] or 0),
            band=band,
            bias=float(match["bias"] or 0),
        )

    @property
    def probed(self) -> tuple[str, ...]:
        """The words of :data:`PROBED` that an architecture has to obey for this mode."""
        if self.above:
            return "bidirectional", "bidirectional>k"
        return ("causal", "rerouted") if self.mode == "rerouted" else (self.mode,)

    @property
    def plain(self) -> bool:
        """Whether transformers itself has this mode."""
        return self.mode != "rerouted" and not self.above

    @property
    def ends_in_the_last_token(self) -> bool:
        """Whether the last token alone has seen every other directly, as under causal attention."""
        return self.mode != "bidirectional"

    def quiet_layers(self, num_layers: int) -> int:
        """In how many layers, from the first, no token may see a later one."""
        if self.mode == "bidirectional":
            return self.above
        return num_layers if self.mode == "causal" else self.band_of(num_layers)[0] - 1

    def band_of(self, num_layers: int) -> tuple[int, int]:
        """The first and the last layer of the band in a backbone of L layers, from 1."""
        return self.band or (max(1, num_layers // 3), max(1, 2 * num_layers // 3 - 1))

    def by_layer(self, num_layers: int) -> dict[str, Any]:
        """The arguments of :meth:`~embedlab.models.layer_attention.ByLayer.of` but the mask."""
        rerouted = self.mode == "rerouted"
        first, last = self.band_of(num_layers) if rerouted else (0, 0)
        causal = num_layers if rerouted else self.above
        return {"causal": causal, "first": first, "last": last, "bias": self.bias}

    def check(self, num_layers: int, name: str) -> None:
        """Refuse layers that a backbone of that name does not have.

        Raises:
            EmbedLabError: the message says which layers there are.
        """
        if self.above > num_layers:
            raise EmbedLabError(
                f"bidirectional>{self.above} is causal in more layers than the {num_layers} of "
                f"{name}; choose 1 to {num_layers}."
            )
        first, last = self.band_of(num_layers)
        if not 1 <= first <= last <= num_layers:
            raise EmbedLabError(
                f"The band {first}..{last} is not within the layers of {name}; choose "
                f"band=a..b with 1 ≤ a ≤ b ≤ {num_layers}."
            )


def ends_in_the_last_token(attention: str) -> bool:
    """Whether a trainable head reads the last token under this mode, as under causal attention."""
    return Attention.parse(attention).ends_in_the_last_token
