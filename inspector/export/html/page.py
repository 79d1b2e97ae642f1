"""The page, from its head to its script, piece by piece: a large one is never in memory as a whole.

Its Content Security Policy lets nothing load and nothing run but the style and the script in it, by their hashes; so no
element may have an attribute for style or for events.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from importlib.resources import files as resources

from inspector.export.html.cases import cases
from inspector.export.html.embedded import PAYLOAD_BYTES, Embedded, kept_rows
from inspector.export.html.facts import gather
from inspector.export.html.lanes import lanes
from inspector.export.html.links import RowLinks
from inspector.export.html.markup import Html, join, tag
from inspector.export.html.plots import plots
from inspector.export.html.recorded import head, recorded, title
from inspector.export.html.sizes import sizes
from inspector.export.html.timeline import timeline
from inspector.export.html.voice import calls
from inspector.report.recording import Recording
from inspector.words import counted, size

_SECTIONS = {
    "cases": "Cases",
    "recorded": "Recording",
    "sessions": "Sessions",
    "time": "Over time",
    "voice": "Voice",
    "sizes": "Sizes",
    "timeline": "Timeline",
}
Progress = Callable[[int, int], object]
"""Is told how many rows are done, and how many there are."""


def page(
    recording: Recording,
    files: Sequence[str],
    *,
    payload_bytes: int = PAYLOAD_BYTES,
    progress: Progress = lambda done, total: None,
) -> Iterator[bytes]:
    """Yield the report on a recording that was made of `files`, in UTF-8.

    At most about `payload_bytes` of payloads are in it. Secrets are masked unless `recording` reveals them. Raises
    CaptureError where the capture is damaged, or has no gateway connection.
    """
    facts = gather(recording, files)
    links = RowLinks()
    # In the order of importance: where not all rows have room, those are kept that are linked to first.
    sections = {
        "cases": cases(facts, links),
        "recorded": recorded(facts),
        "sessions": lanes(facts, links),
        "time": plots(facts, links),
        "voice": calls(facts, links),
        "sizes": sizes(facts),
    }
    kept = kept_rows(recording.reader.last(), [*links.rows])
    sections["timeline"] = timeline(recording, links, kept)
    style, script = asset("style.css"), asset("script.js")
    yield _written(
        "<!DOCTYPE html>\n",
        f'<html lang="en"><head>{_meta(style, script)}{tag("title", f"{title(facts)}: gwinspect report")}',
        f"<style>{style}</style></head>\n<body>",
        _navigation(sections),
        head(facts),
        "<main>",
        join(sections.values(), "\n"),
    )
    embedded = Embedded(recording, kept, links.rows, payload_bytes)
    for block in embedded.blocks(progress):
        yield _written(block)
    yield _written(
        _left_out(embedded, recording.reader.last(), payload_bytes),
        f"</main>\n<script>{script}</script></body></html>\n",
    )


def asset(name: str) -> str:
    """Return the style or the script, as it is in the page and as its hash is taken of."""
    return resources("inspector.export.html").joinpath(name).read_text("utf-8")


def policy(style: str, script: str) -> str:
    """Return the Content Security Policy of a page with this style and this script."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _meta(style: str, script: str) -> Html:
    return join(
        [
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy(style, script)),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="referrer", content="no-referrer"),
            tag("meta", name="robots", content="noindex"),
            tag("meta", name="color-scheme", content="light dark"),
        ]
    )


def _navigation(sections: Mapping[str, Html | None]) -> Html:
    return tag(
        "nav",
        *(tag("a", _SECTIONS[name], href=f"#{name}") for name, section in sections.items() if section is not None),
        tag("button", "Dark", type="button", id="theme", hidden=True),
        aria_label="Sections",
    )


def _left_out(embedded: Embedded, last: int, room: int) -> Html | None:
    """Return what is not in the page, in words."""
    said = []
    if embedded.count < last:
        said.append(
            f"This report has {embedded.count:,} of {last:,} rows: the first, the newest, and those around the rows "
            "that it speaks of."
        )
    if embedded.cut:
        said.append(
            f"{counted(embedded.cut, 'payload is/payloads are')} large and shortened: long lists, objects and texts "
            "end with how much more there is."
        )
    if embedded.left_out:
        said.append(
            f"{counted(embedded.left_out, 'payload is/payloads are')} left out, as this report keeps {size(room)} of "
            "them; --payloads changes that."
        )
    if not said:
        return None
    return tag("section", tag("h2", "Left out"), *(tag("p", each) for each in said), id="left-out")


def _written(*parts: str | None) -> bytes:
    return "".join(part for part in parts if part).encode("utf-8", "backslashreplace")
