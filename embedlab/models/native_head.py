"""What follows the pooling in a published embedding model: dense layers, as its files hold them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from embedlab.models.head import tensor_digest
from embedlab.models.pooling import ExportedModule

_LIBRARY = "sentence_transformers.base.modules."
#: The activations of sentence-transformers' Dense by the path that its files name.
ACTIVATIONS: dict[str, type[nn.Module]] = {
    f"{kind.__module__}.{kind.__name__}": kind
    for kind in (nn.Identity, nn.Tanh, nn.GELU, nn.ReLU, nn.SiLU, nn.Sigmoid)
}


class Dense(nn.Module):
    """activation(W x + b), plus x (projected where the sizes differ) if ``residual``.

    Raises:
        LookupError: an activation that is not known.
    """

    def __init__(
        self, in_features: int, out_features: int, *, bias: bool, activation: str, residual: bool
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.bias, self.activation_name, self.has_residual = bias, activation, residual
        self.activation = ACTIVATIONS[activation]()
        self.linear = nn.Linear(in_features, out_features, bias=bias)
        if residual and in_features != out_features:
            self.residual = nn.Linear(in_features, out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, in_features) to (n, out_features)."""
        y: Tensor = self.activation(self.linear(x))
        if self.has_residual:
            y = y + (self.residual(x) if hasattr(self, "residual") else x)
        return y

    def load(self, file: Path) -> None:
        """Read the weights, in float32.

        Raises:
            RuntimeError: they do not fit.
        """
        self.load_state_dict({name: tensor.float() for name, tensor in load_file(file).items()})

    def export(self) -> ExportedModule:
        """The module of sentence-transformers that does the same."""
        settings = {
            "in_features": self.in_features,
            "out_features": self.out_features,
            "bias": self.bias,
            "activation_function": self.activation_name,
        }
        if self.has_residual:
            settings["use_residual"] = True
        kind = f"{_LIBRARY}dense.Dense"
        return ExportedModule(kind=kind, settings=settings, weights=self.state_dict())


class UnitLength(nn.Module):
    """x / |x|, between two dense layers."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, d) to (n, d)."""
        return F.normalize(x, dim=-1)

    def export(self) -> ExportedModule:
        """The module of sentence-transformers that does the same."""
        return ExportedModule(kind=f"{_LIBRARY}normalize.Normalize", settings={})


class NativeHead(nn.Module):
    """Modules behind the pooling, one after the other, in float32; they are not trained.

    Args:
        steps: of :class:`Dense` and :class:`UnitLength`.
    """

    def __init__(self, steps: Sequence[nn.Module]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)
        self.eval().requires_grad_(False)

    def forward(self, pooled: Tensor) -> Tensor:
        """(n, d) pooled, not normalised, to (n, output_size)."""
        for step in self.steps:
            pooled = step(pooled)
        return pooled

    @property
    def output_size(self) -> int | None:
        """The length of a vector behind the last dense layer; None without one."""
        sizes = [step.out_features for step in self.steps if isinstance(step, Dense)]
        return sizes[-1] if sizes else None

    @property
    def digest(self) -> str:
        """Identifies the weights."""
        return tensor_digest(self.state_dict())

    def exported(self) -> Iterator[ExportedModule]:
        """The modules of sentence-transformers that do the same, in their order."""
        for step in self.steps:
            assert isinstance(step, Dense | UnitLength)
            yield step.export()
