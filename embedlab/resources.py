"""Files that ship with EmbedLab: the one place that knows where they are.

In a wheel the repository's ``assets`` folder and its default configuration are copied into the
package (``pyproject.toml`` says how); in a clone or an editable install they stand beside it.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "_shipped" if (_PACKAGE / "_shipped").is_dir() else _PACKAGE.parent

#: The sample corpus, the study presets (``studies``) and the measured study (``study``).
ASSETS = _SHIPPED / "assets"
#: Vectors and maps of the first corpus, made by ``embedlab prepare``.
PREPARED = ASSETS / "prepared"
#: Designs that were trained, a folder each.
DESIGNS = ASSETS / "designs"
#: The configuration of a deployment that names none.
DEFAULT_CONFIG = _SHIPPED / "spaces_config.yaml"
#: The same for a Space whose GPU is lent by the call (ZeroGPU).
LENT_GPU_CONFIG = _SHIPPED / "spaces_config.zerogpu.yaml"
#: The pinned assets.
CATALOGUE = _PACKAGE / "catalogue.toml"
#: The built-in corpora and training sets.
DATA_SETS = _PACKAGE / "data" / "data_sets.toml"
#: The templates that a design can name.
TEMPLATES = _PACKAGE / "models" / "templates.toml"
#: Style sheets and scripts of the interface.
STATIC = _PACKAGE / "ui" / "static"
