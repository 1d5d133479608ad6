"""Which worker runs which tests: what is expensive to set up is set up once."""

from __future__ import annotations

from typing import Any

#: Files that share something expensive, by what it is: one worker runs all of them. The others go
#: to a worker file by file, so that a module's fixtures are made once.
TOGETHER = {
    "the served application": (
        *("browser/test_page", "browser/test_map", "browser/test_filters"),
        *("browser/test_clusters", "browser/test_compare", "browser/test_inside"),
        *("browser/test_finetune", "browser/test_scripts", "browser/test_study"),
        *("browser/test_lessons", "browser/test_class"),
        *("real/test_endpoints", "real/test_endpoints_finetune", "real/test_mcp"),
    ),
    "UMAP once it is compiled": ("real/test_lab", "real/test_projection"),
    "states of STS-B under the real backbone": ("real/test_layers", "real/test_backbone"),
}
_SHARED = {f"tests/{file}.py": what for what, files in TOGETHER.items() for file in files}


def shared(nodeid: str) -> str:
    """The unit of work that a test belongs to."""
    file = nodeid.partition("::")[0]
    return _SHARED.get(file, file)


def scheduler(config: Any, log: Any) -> Any:
    """xdist's scheduler of whole files, with some files as one."""
    from xdist.scheduler import LoadFileScheduling

    class ByShared(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return shared(nodeid)

    return ByShared(config, log)
