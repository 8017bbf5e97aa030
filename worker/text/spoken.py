"""What of a sentence goes to the engine. Pure, and as long as before, so that word spans need no mapping."""

import re

_LAYOUT = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
_RULE = re.compile(r"^[ \t]*(?:[*\-=_~#•·.+|<>^—–─━═][ \t]*){3,}$", re.MULTILINE)
_MARK = re.compile(r"^[ \t]*(?:#{1,6}|[*•◦▪‣·–—-])(?=[ \t])", re.MULTILINE)
_LINE_BREAK = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")


def spoken_text(text: str) -> str:
    """A sentence as the engine gets it: one space for every white space or control character, and spaces for rules
    (`* * *`, `-----`) and for the marks of headings and list items, read out by engines as "asterisk".
    """
    lines = _LINE_BREAK.sub(lambda found: "\n" * len(found.group()), text)
    silent = _MARK.sub(_blank, _RULE.sub(_blank, lines))
    return _LAYOUT.sub(" ", silent)


def _blank(found: re.Match[str]) -> str:
    return " " * len(found.group())
