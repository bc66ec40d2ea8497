"""What stands where a photo would: a card with what there is to say, drawn alike by the server and the page.

The server draws one when it knows why there is no photo. Where a browser finds out by itself that an
address gives none, as of a photo that is gone at its provider, the page's style draws it.
"""

from __future__ import annotations

import textwrap
from html import escape
from urllib.parse import quote

from ops_core.analytics.palette import DARK, LIGHT, Theme

#: A card may hold these, and nothing that runs or is fetched.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

#: Characters in a line of what is said, and its lines.
_LINE, _LINES = 25, 4
#: And of the line above, in large.
_HEADLINE = 21

#: A picture that is crossed out, 24 x 24.
_ICON = "M4 5h16v14H4z M4 16l5-5 4 4 2-2 5 5 M16 9h.01 M3 3l18 18"


def drawing(headline: str, sentence: str) -> str:
    """An SVG file of a card, 200 x 150, for light and dark pages. The words may be anybody's."""
    headline, sentence = _plain(headline), _plain(sentence)
    head = textwrap.wrap(headline, _HEADLINE, max_lines=1, placeholder="…")
    lines = textwrap.wrap(sentence, _LINE, max_lines=_LINES, placeholder="…")
    top = 75 - (48 + 17 * len(lines)) // 2
    words = [f'<text class="h" x="100" y="{top + 44}">{escape(line)}</text>' for line in head]
    words += [
        f'<text x="100" y="{top + 63 + 17 * number}">{escape(line)}</text>'
        for number, line in enumerate(lines)
    ]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="150" viewBox="0 0 200 150">'
        f"<title>{escape(headline)}: {escape(sentence)}</title>"
        "<style>text{font:13.5px sans-serif;text-anchor:middle}.h{font-size:15px;font-weight:bold}"
        f"{_colours(LIGHT)}@media(prefers-color-scheme:dark){{{_colours(DARK)}}}</style>"
        f'<rect width="200" height="150"/><path transform="translate(88 {top})" d="{_ICON}"/>'
        f"{''.join(words)}</svg>"
    )


def style(theme: Theme) -> str:
    """CSS for photos that a browser cannot show, and that keeps their place while they load.

    What a screen reader says of one stays its own text. Browsers that draw nothing into an image (Safari)
    show an empty card.
    """
    gray = theme.shades["gray"]
    icon = quote(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke-width="1.6" '
        f'stroke-linecap="round" stroke-linejoin="round" stroke="{gray.mark}"><path d="{_ICON}"/></svg>'
    )
    image = '[data-testid="stImage"] img'
    return f"""
        {image} {{ display: block; aspect-ratio: auto 4 / 3; background: {gray.fill}; position: relative; }}
        {image}::before, {image}::after {{ position: absolute; left: 0; right: 0; padding: 0 0.5rem;
            box-sizing: border-box; text-align: center; font-size: 0.75rem; line-height: 1.3;
            color: {gray.text}; }}
        {image}::before {{ content: "Does not load"; top: 0; bottom: 0; padding-top: calc(37.5% - 0.8rem);
            font-weight: 650; background: {gray.fill} center calc(50% - 1.8rem) / 1.4rem no-repeat
            url("data:image/svg+xml,{icon}"); }}
        {image}::after {{ content: "It may be gone where it comes from."; top: calc(50% + 0.3rem); }}"""


def _colours(theme: Theme) -> str:
    gray = theme.shades["gray"]
    return (
        f"rect{{fill:{gray.fill}}}text{{fill:{gray.text}}}"
        f"path{{fill:none;stroke:{gray.mark};stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}}"
    )


def _plain(text: str) -> str:
    """`text` in one line, without what no drawing may hold: control characters, halves of pairs."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
