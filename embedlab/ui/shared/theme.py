"""How the application looks: system fonts, one accent, two designs' colours as CSS variables."""

from __future__ import annotations

import gradio as gr

from embedlab.render.map_data import LINKED_MAP_SCRIPTS
from embedlab.render.style import DESIGN_A, DESIGN_B
from embedlab.resources import STATIC

STYLES = [STATIC / "style.css", STATIC / "page.css", STATIC / "lessons.css"]
#: For the page's head; nothing in it is fetched.
HEAD = '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
#: The scripts of our components. Gradio runs each as the body of one function, so its files share
#: their names.
SCRIPTS = {
    "figure": ("load_plotly.js", "download.js", "figure.js"),
    "leaderboard": ("leaderboard.js",),
    "lessons": (
        *("lessons.js", "lessons_store.js", "lessons_target.js", "lessons_view.js"),
        *("lessons_draw.js", "lessons_steps.js"),
    ),
    "links": ("copy.js", "links.js"),
    "linked_map": LINKED_MAP_SCRIPTS,
    "own_lost": ("own_lost.js",),
    "pick": ("pick.js",),
    "saver": ("download.js", "saver.js"),
    "selection": ("copy.js", "selection.js"),
    "small_maps": ("small_maps.js",),
    "sortable": ("sortable.js",),
    "study_files": ("download.js", "study_files.js"),
    "table": ("download.js", "table.js"),
}
_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono")
# A green that is neither design's colour, and a grey with a slight chill.
_ACCENT = gr.themes.Color(
    *("#edf8f4", "#d3eee4", "#a9ddca", "#74c6ab", "#3dab89"),
    *("#0a8a67", "#007a5a", "#006349", "#044e3b", "#053f30", "#02251c"),
    name="embedlab_accent",
)
_NEUTRAL = gr.themes.Color(
    *("#f8f9fa", "#f1f3f5", "#e2e6ea", "#ccd2d8", "#9aa3ad"),
    *("#656e78", "#4c545d", "#363d45", "#252a30", "#191d22", "#111418"),
    name="embedlab_neutral",
)
#: Variables of Gradio's theme with their values in the light and in the dark; None leaves Gradio's.
_QUIET: dict[str, tuple[str | None, str | None]] = {
    "body_text_color_subdued": ("*neutral_500", "*neutral_400"),
    "background_fill_primary": (None, "*neutral_950"),
    "background_fill_secondary": (None, "*neutral_900"),
    "block_background_fill": (None, "*neutral_900"),
    "block_label_text_color": ("*neutral_600", "*neutral_300"),
    "block_title_text_color": ("*neutral_600", "*neutral_300"),
    "input_background_fill": ("*background_fill_primary", "*neutral_800"),
    "input_border_color": ("*neutral_300", "*neutral_700"),
    "input_border_color_focus": ("*primary_600", "*primary_400"),
    "input_placeholder_color": ("*neutral_500", "*neutral_400"),
    "button_primary_background_fill": ("*primary_600", "*primary_600"),
    "button_primary_background_fill_hover": ("*primary_700", "*primary_700"),
    "button_secondary_background_fill": ("*neutral_100", "*neutral_800"),
    "button_secondary_background_fill_hover": ("*neutral_200", "*neutral_700"),
    "button_secondary_border_color": ("*neutral_300", "*neutral_700"),
    "color_accent_soft": (None, "*primary_900"),
    "link_text_color": ("*primary_700", "*primary_300"),
    "link_text_color_hover": (None, "*primary_200"),
    "link_text_color_visited": ("*primary_700", "*primary_300"),
    "link_text_color_active": (None, "*primary_300"),
}
#: The designs' colours in the light and in the dark. ``design_a`` is for areas and lines,
#: ``design_a_text`` where words stand (4.5 : 1 on the page), ``design_a_soft`` for backgrounds.
_DESIGN_COLOURS = {
    "design_a": (DESIGN_A, "#3D9BD3"),
    "design_a_text": ("#00629B", "#66B8EC"),
    "design_a_soft": ("#E6F1F8", "#10293A"),
    "design_b": (DESIGN_B, DESIGN_B),
    "design_b_text": ("#855700", "#F0B429"),
    "design_b_soft": ("#FDF3DE", "#33270C"),
}


class Theme(gr.themes.Base):
    """Gradio's plainest theme made quiet and dense; no font is fetched.

    The attributes that start with ``design`` become CSS variables such as ``--design-a-text``.
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
        self.set(
            block_title_text_size="*text_sm",
            block_title_text_weight="600",
            block_padding="*spacing_lg",
            layout_gap="*spacing_xl",
            input_border_width="1px",
            button_border_width="1px",
            button_large_text_weight="600",
            color_accent="*primary_600",
            **{name: light for name, (light, _) in _QUIET.items() if light},
            **{f"{name}_dark": dark for name, (_, dark) in _QUIET.items() if dark},
        )
        for name, (light, dark) in _DESIGN_COLOURS.items():
            setattr(self, name, light)
            setattr(self, f"{name}_dark", dark)


def script(component: str) -> str:
    """The script of a component, for ``gr.HTML(js_on_load=script("figure"))``."""
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS[component])
