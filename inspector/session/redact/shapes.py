"""Secrets that have a shape of their own, wherever they are in a text: tokens, webhooks, gift links, logins."""

import re
from collections.abc import Callable

from inspector.session.redact.digests import mask, shown

# A token is three parts: the account's id in base64url, a time, a signature. Those of accounts with two factors began
# with "mfa." instead.
_TOKEN = r"mfa\.[\w-]{20,}|[\w-]{18,40}\.[\w-]{6}\.[\w-]{27,}"
# RFC 8839 section 5.4. The value ends at the line's end, which in JSON may be written as an escape.
_ICE = r"(?<=ice-pwd:)[A-Za-z0-9+/]{22,256}"
# What Discord gives to answer an interaction with: base64 of "interaction:" and more. JSON Web Tokens: RFC 7519.
_OTHER_TOKENS = r"aW50ZXJhY3Rpb24[\w+/=-]{16,}|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"
# What opens a webhook, an answer to an interaction, a gift.
_LINKS = (
    r"(?<=/webhooks/)\d{5,20}/[\w-]{8,}|(?<=/interactions/)\d{5,20}/[\w=+-]{8,}"
    r"|(?<=discord\.gift/)[\w-]{5,}|(?<=promos\.discord\.gg/)[\w-]{5,}|(?<=/gifts/)[\w-]{5,}"
)
# RFC 9110 section 11.6.2, with the schemes that Discord takes. After "Bot" there is mostly a word; a token has a digit.
_LOGIN = (
    r"(?<=\b[Bb]ot )(?=\S*\d)[\w.~+/-]{20,}=*|(?<=\b[Bb]earer )[\w.~+/-]{8,}=*"
    r"|(?<=\b[Bb]asic )(?=\S*[\dA-Z])[\w+/-]{12,}=*"
)
# RFC 3986 section 3.2.1: what is before the @ of an address. E-mail addresses may be guessed, as passwords may.
_GUESSABLE = (
    r"(?<=://)[^\s/?#@\"'<>]{1,256}(?=@)"
    r"|[\w.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,24}"
)
SHAPES = f"{_TOKEN}|{_OTHER_TOKENS}|{_ICE}|{_LINKS}|{_LOGIN}|(?P<guessable>{_GUESSABLE})"
# In text that is shown, a mask in bytes turns into one for screens.
_SHAPE_IN_TEXT = re.compile(rf"{SHAPES}|masked-[0-9a-f]{{8}}\*+", re.ASCII)

# A word that announces a secret, and the secret: in a query, a form, a log line, in JSON inside a string. The weaker
# words do so only where no person would write them so.
_STRONG = (
    *("token", "secret", "secrets", "password", "passwd", "passphrase", "authorization", "apikey", "api_key"),
    *("api-key", "captcha_key", "captcha_rqdata", "private_key", "secret_key", "session_id", "code_verifier"),
)
_WEAK = ("ticket", "cookie", "nonce_proof", "encrypted_nonce", "pwd", "phone")
_ANNOUNCED = re.compile(
    rf"(?P<before>(?<![\w-])[\w-]{{0,40}}?(?:"
    rf"(?:{'|'.join(_STRONG)})(?:\\*[\"'])?\s{{0,4}}[:=]\s{{0,4}}"
    rf"|(?:{'|'.join(_WEAK)})(?:=|\\*[\"']\s{{0,4}}:\s{{0,4}})))"
    r"(?:(?P<quote>\\*[\"'])(?P<quoted>.*?)(?:(?P=quote)|\Z)"
    r"|(?P<list>\[[^\]]{2,4000})|(?P<bare>(?:(?:bot|bearer|basic) )?[^\s,;&\"'<>{}()\[\]\\]{8,}))",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
# The end of such a word, or what may be after it, and a sign: without that there is none, which is soonest told.
_MAY_ANNOUNCE = re.compile(
    rf"[:=](?<=(?:{'|'.join(sorted({word[-3:] for word in _STRONG + _WEAK}))}|..[\s\"'])[:=])",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
# Characters in a row that are no words: what is left of a token that has lost its shape. Looked for in short texts
# only, such as reasons and paths; in payloads ids, hashes and images look the same.
_RUN = re.compile(r"[\w+=.-]{24,}", re.ASCII)


def mask_text(text: str) -> str:
    """Return free text with what has the shape of a secret masked for display; `text` itself if there is none."""
    return in_shapes(text, _on_screen) if may_hold_secret(text) else text


def mask_reason(text: str) -> str:
    """Return a text of few words (why a connection ended, or never began) with its secrets masked for display.

    More than `mask_text` does: here also what only looks random.
    """
    return _RUN.sub(lambda found: _on_screen(found[0], True) if _is_random(found[0]) else found[0], mask_text(text))


def _is_random(run: str) -> bool:
    """Return whether characters in a row are no words: digits among letters; in names of hosts these are small."""
    kinds = {"digit" if char.isdigit() else "small" if char.islower() else char.isalpha() for char in run}
    return "digit" in kinds and ({"small", True} <= kinds or ("." not in run and not kinds.isdisjoint({"small", True})))


def may_hold_secret(text: str) -> bool:
    """Return whether it is worth looking: most text has none of these in it, and that is soon told.

    What is true of a text is true of every text that it is part of. All texts of a payload pass here, so what looks for
    a word is `in`, which takes a hundredth of the time of a regular expression with the same words.
    """
    if text.isalnum():
        return "aW50ZXJhY3Rpb24" in text
    # "<@" mentions somebody.
    if "@" in text and text.count("@") > text.count("<@"):
        return True
    if "." in text and ("mfa." in text or "eyJ" in text or _is_dotted(text)):
        return True
    if "/" in text and ("gift" in text or "promos." in text or "webhooks/" in text or "interactions/" in text):
        return True
    if _announces(text):
        return True
    if " " in text and ("earer " in text or "asic " in text or ("ot " in text and _is_bot(text))):
        return True
    return "masked-" in text or "aW50ZXJhY3Rpb24" in text


def _is_dotted(text: str) -> bool:
    return _DOTTED.search(text) is not None


def _is_bot(text: str) -> bool:
    return _BOT.search(text) is not None


def _announces(text: str) -> bool:
    """Return whether a word of `_ANNOUNCED` may be in `text`."""
    return _MAY_ANNOUNCE.search(text) is not None


_DOTTED = re.compile(r"\.[\w-]{6}\.[\w-]{27}", re.ASCII)
_BOT = re.compile(r"ot [\w.~+/-]{20}", re.ASCII)


_Way = Callable[[str, bool], str]
"""How a secret is masked; and whether a digest may stand for it."""


def _on_screen(secret: str, correlate: bool) -> str:
    return shown(secret, correlate=correlate)


def in_place(secret: str, correlate: bool) -> str:
    return mask(secret.encode("utf-8", "surrogatepass"), correlate=correlate, text=secret).decode()


def in_shapes(text: str, way: _Way) -> str:
    """Return `text` with all in it that has the shape of a secret masked in that way."""
    text = _SHAPE_IN_TEXT.sub(lambda found: way(found[0], found["guessable"] is None), text)
    if not _announces(text):
        return text
    return _ANNOUNCED.sub(lambda found: _announced(found, way), text)


def _announced(found: re.Match[str], way: _Way) -> str:
    quote, secret = found["quote"] or "", found["quoted"] or found["list"] or found["bare"] or ""
    closing = found[0][len(found["before"]) + len(quote) + len(secret) :]
    # A password may be a word: no digest may stand for it.
    return found["before"] + quote + (way(secret, False) if secret else "") + closing


def shown_shapes(text: str) -> str:
    return in_shapes(text, _on_screen)
