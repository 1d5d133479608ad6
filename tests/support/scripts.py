"""Texts that would run as scripts where a page does not escape."""

from __future__ import annotations

SCRIPTS = [
    "<img src=x onerror=window.pwned=1>",
    "</script><script>window.pwned=1</script>",
    "${window.pwned=1}",
    "{{constructor.constructor('window.pwned=1')()}}",
    "<b onmouseover=window.pwned=1>hover</b>",
    "<svg onload=window.pwned=1>",
    "[link](javascript:window.pwned=1)",
    "\"><iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
]
