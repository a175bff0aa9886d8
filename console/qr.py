"""QR codes for what somebody would otherwise have to type."""

import io

from markupsafe import Markup


def drawn(words: str) -> Markup:
    """A picture in the page, as wide as its place."""
    import segno  # 2 MiB that only some pages need

    out = io.BytesIO()
    segno.make(words, error="m").save(out, kind="svg", xmldecl=False, svgns=True, border=3, light="#fff", omitsize=True)
    return Markup(out.getvalue().decode())
