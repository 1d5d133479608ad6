"""How the application looks: system fonts, one accent, two designs' colours as CSS variables."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from embedlab.render.style import DESIGN_A, DESIGN_B
from embedlab.resources import STATIC

STYLES = (STATIC / "style.css", STATIC / "page.css")
#: The scripts of our components. Gradio runs each as the body of one function, so its files share
#: their names.
SCRIPTS = {
    "figure": ("load_plotly.js", "download.js", "figure.js"),
    "linked_map": (
        *("load_plotly.js", "download.js"),
        *("linked_map.js", "linked_map_input.js", "linked_map_download.js"),
    ),
    "pick": ("pick.js",),
    "study_files": ("download.js", "study_files.js"),
    "table": ("download.js", "table.js"),
}
_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono")
# A green that is neither design's colour, and a grey with a slight chill.
_ACCENT = gr.themes.Color(
    name="embedlab_accent",
    c50="#edf8f4",
    c100="#d3eee4",
    c200="#a9ddca",
    c300="#74c6ab",
    c400="#3dab89",
    c500="#0a8a67",
    c600="#007a5a",
    c700="#006349",
    c800="#044e3b",
    c900="#053f30",
    c950="#02251c",
)
_NEUTRAL = gr.themes.Color(
    name="embedlab_neutral",
    c50="#f8f9fa",
    c100="#f1f3f5",
    c200="#e2e6ea",
    c300="#ccd2d8",
    c400="#9aa3ad",
    c500="#656e78",
    c600="#4c545d",
    c700="#363d45",
    c800="#252a30",
    c900="#191d22",
    c950="#111418",
)


class Theme(gr.themes.Base):
    """Gradio's plainest theme made quiet and dense; no font is fetched.

    The attributes that start with ``design`` become CSS variables: ``--design-a`` for areas and
    lines, ``--design-a-text`` where words stand (4.5 : 1 on the page in light and dark),
    ``--design-a-soft`` for backgrounds; the same for b.
    """

    def __init__(self) -> None:
        super().__init__(
            primary_hue=_ACCENT,
            secondary_hue=_ACCENT,
            neutral_hue=_NEUTRAL,
            spacing_size=gr.themes.sizes.spacing_sm,
            radius_size=gr.themes.sizes.radius_sm,
            text_size=gr.themes.sizes.text_md,
            font=(*_SANS, "sans-serif"),
            font_mono=(*_MONO, "monospace"),
        )
        self.name = "embedlab"
        self._quiet()
        self._design_colours()

    def _quiet(self) -> None:
        self.set(
            body_text_color_subdued="*neutral_500",
            body_text_color_subdued_dark="*neutral_400",
            background_fill_primary_dark="*neutral_950",
            background_fill_secondary_dark="*neutral_900",
            block_background_fill_dark="*neutral_900",
            block_label_text_color="*neutral_600",
            block_label_text_color_dark="*neutral_300",
            block_title_text_color="*neutral_600",
            block_title_text_color_dark="*neutral_300",
            block_title_text_size="*text_sm",
            block_title_text_weight="600",
            block_padding="*spacing_lg",
            layout_gap="*spacing_xl",
            input_background_fill="*background_fill_primary",
            input_background_fill_dark="*neutral_800",
            input_border_width="1px",
            input_border_color="*neutral_300",
            input_border_color_dark="*neutral_700",
            input_border_color_focus="*primary_600",
            input_border_color_focus_dark="*primary_400",
            input_placeholder_color="*neutral_500",
            input_placeholder_color_dark="*neutral_400",
            button_primary_background_fill="*primary_600",
            button_primary_background_fill_hover="*primary_700",
            button_primary_background_fill_dark="*primary_600",
            button_primary_background_fill_hover_dark="*primary_700",
            button_secondary_background_fill="*neutral_100",
            button_secondary_background_fill_hover="*neutral_200",
            button_secondary_background_fill_dark="*neutral_800",
            button_secondary_background_fill_hover_dark="*neutral_700",
            button_secondary_border_color="*neutral_300",
            button_secondary_border_color_dark="*neutral_700",
            button_border_width="1px",
            button_large_text_weight="600",
            color_accent="*primary_600",
            color_accent_soft_dark="*primary_900",
            link_text_color="*primary_700",
            link_text_color_dark="*primary_300",
            link_text_color_hover_dark="*primary_200",
            link_text_color_visited="*primary_700",
            link_text_color_visited_dark="*primary_300",
            link_text_color_active_dark="*primary_300",
        )

    def _design_colours(self) -> None:
        self.design_a = DESIGN_A
        self.design_a_dark = "#3D9BD3"
        self.design_a_text = "#00629B"
        self.design_a_text_dark = "#66B8EC"
        self.design_a_soft = "#E6F1F8"
        self.design_a_soft_dark = "#10293A"
        self.design_b = DESIGN_B
        self.design_b_dark = DESIGN_B
        self.design_b_text = "#855700"
        self.design_b_text_dark = "#F0B429"
        self.design_b_soft = "#FDF3DE"
        self.design_b_soft_dark = "#33270C"


def theme() -> Theme:
    """The theme for ``launch(theme=theme())``."""
    return Theme()


def css_paths() -> list[Path]:
    """The style sheets for ``launch(css_paths=css_paths())``."""
    return list(STYLES)


def head() -> str:
    """What ``launch(head=head())`` puts into the page's head; nothing in it is fetched."""
    return (
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
    )


def script(component: str) -> str:
    """The script of a component, for ``gr.HTML(js_on_load=script("figure"))``."""
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS[component])
