"""What the page's own script says of tabs, for tests that send events without a browser."""

from __future__ import annotations

from typing import Any

from embedlab.ui.page import Workspace
from embedlab.ui.tabs.inside.tab import InsideTab


def opened_by_visitor(work: Workspace, screen: dict[Any, Any], tab: str) -> None:
    """The next report of a selected tab, or of a panel of Inside, comes from a visitor's click."""
    [inside] = (view for view in work.views if isinstance(view, InsideTab))
    screen[work.open_tab.carrier] = screen[inside.open_panel.carrier] = tab
