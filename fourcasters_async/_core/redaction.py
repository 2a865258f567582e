"""Removes secrets from texts that quote them, also escaped, URL-quoted or in part. No I/O."""

import html
import json
import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

import orjson

from fourcasters_async._core.secret import Secret, SecretBytes
from fourcasters_async._core.text import is_too_dense

# Characters. A shorter text is not a secret, and occurs in ordinary words.
_MIN_LENGTH = 6
# Characters. A secret of this length is no word of a JSON document.
_SURELY_SECRET = 20
# Characters that a part of a secret has at least to be found, wherever it is cut.
_PART = 8
# How far the parts that are remembered are from each other: of any 11 characters, 8 are one.
_STEP = 4
# Secrets of a session. It would take a login every 10 seconds for hours to have more.
_REMEMBERED = 1000
# Characters of a text that are looked at. Messages are cut shorter than that.
_LOOKED_AT = 4000
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_WORDS = re.compile(r"\s+")


class Redactor:
    """The secrets of a session, and what removes them from a text."""

    def __init__(self) -> None:
        self._parts: dict[Secret, frozenset[str]] = {}
        self._stand_ins: dict[Secret, str] = {}
        # No local of the loops below is a plain copy of a secret.
        self._in_answers: dict[Secret, bytes] = {}

    def add(self, secret: Secret, stand_in: str) -> None:
        """Remove a secret from now on. Of more than a thousand, the oldest is forgotten."""
        if len(secret) < _MIN_LENGTH:
            return
        plain = str.__str__(secret)
        size = min(len(plain), _PART)
        starts = range(0, len(plain) - size + 1, _STEP)
        self._parts[secret] = frozenset(plain[start : start + size].casefold() for start in starts)
        self._stand_ins[secret] = stand_in
        if len(secret) >= _SURELY_SECRET:
            as_written = json.dumps(plain, ensure_ascii=False)[1:-1]
            self._in_answers[secret] = SecretBytes(as_written.encode(errors="replace"))
        if len(self._parts) > _REMEMBERED:
            oldest = next(iter(self._parts))
            del self._parts[oldest], self._stand_ins[oldest]
            self._in_answers.pop(oldest, None)

    def redact(self, text: str) -> str:
        """Return a text without secrets, and without words that hold a part of one."""
        if not self._parts:
            return text
        text = text[:_LOOKED_AT]
        for secret, stand_in in self._stand_ins.items():
            text = text.replace(str.__str__(secret), stand_in)
        if any(self._in(form) is not None for form in _forms(text)):
            # A secret with spaces may be in several words, so all that is escaped goes.
            text = self._without_words(text)
        return text

    def in_answer(self, content: bytes) -> bytes:
        """Return a JSON document without long secrets that it quotes.

        A short password may be a word of the document itself, such as the name of a field.
        """
        # To look for one byte takes a hundredth of the time that two take, and few answers have it.
        escaped = b"\\" in content and (b"\\u" in content or b"\\/" in content)
        if escaped and not is_too_dense(content):
            content = self._unescaped(content)
        for secret, plain in self._in_answers.items():
            if plain in content:
                content = content.replace(plain, self._stand_ins[secret].encode())
        return content

    def _unescaped(self, content: bytes) -> bytes:
        """Return a document with no more escapes than it needs, if it has a secret then.

        Of one that is nested deeper than any answer nothing is returned: it cannot be searched.
        """
        try:
            plain = orjson.dumps(orjson.loads(content))
        except orjson.JSONDecodeError:
            return content
        except orjson.JSONEncodeError:
            return b""
        return plain if any(secret in plain for secret in self._in_answers.values()) else content

    def _without_words(self, text: str) -> str:
        words = []
        for word in _WORDS.split(text):
            found = next((f for f in map(self._in, _forms(word)) if f is not None), None)
            words.append(word if found is None else self._stand_ins[found])
        cleaned = " ".join(words)
        left = next((f for f in map(self._in, _forms(cleaned)) if f is not None), None)
        return cleaned if left is None else self._stand_ins[left]

    def _in(self, text: str) -> Secret | None:
        """Return the secret of which a text holds a part, in any case."""
        text = text.casefold()
        for secret, parts in self._parts.items():
            if any(part in text for part in parts):
                return secret
        return None


def _forms(text: str) -> Iterator[str]:
    """Yield a text as it is, and as it reads once it is unescaped, up to twice."""
    yield text
    for _ in range(2):
        unescaped = unquote_plus(html.unescape(_ESCAPED.sub(_unescape, text)))
        if unescaped == text:
            return
        yield unescaped
        text = unescaped


def _unescape(found: "re.Match[str]") -> str:
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else found[3]
