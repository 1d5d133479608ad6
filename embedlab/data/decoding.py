"""The encoding of a text file: told by its first bytes, chosen by the user, or found out."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable

from embedlab.data.rows import Unreadable

#: The encodings that a user can choose, and what people call them. Python's names are the keys.
ENCODINGS = {
    "utf-8": "UTF-8",
    "cp1252": "Windows-1252",
    "gb18030": "GBK",
    "big5": "Big5",
    "cp932": "Shift-JIS",
    "euc_jp": "EUC-JP",
    "cp949": "EUC-KR",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "koi8-r": "KOI8-R",
    "koi8-u": "KOI8-U",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "cp1257": "Windows-1257",
    "iso8859-2": "ISO-8859-2",
    "cp874": "Windows-874",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
    "utf-32": "UTF-32",
}
#: What says its encoding by its first bytes. UTF-32's mark begins as UTF-16's does.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MARK_NAMES = {"utf-8-sig": "utf-8"}
_SINGLE_BYTE = (
    *("cp1252", "cp1250", "cp1251", "koi8_r", "koi8_u", "cp1253", "cp1254", "cp1255", "cp1256"),
    "cp874",
)
#: Lines that are looked at to find out an encoding, in bytes.
_SAMPLE = 100_000
#: Bytes that were no text under the encoding; Python marks them by these characters.
_BAD = re.compile("[\udc80-\udcff]+")
_INSIDE_WORD = re.compile(r"(?<=[^\W\d_])[^\x00-\x7f](?=[^\W\d_])")
_NOT_ASCII = re.compile("[^\x00-\x7f]")


def decode(data: bytes, encoding: str = "") -> tuple[str, str, tuple[str, ...]]:
    """The text of a file, the name of its encoding, and notes for the user.

    Without ``encoding``, a byte order mark decides; else UTF-8 where it fits, even if a few bytes
    do not; else the encoding whose characters the text would usually have. Bytes that are no text
    become U+FFFD, one for a run of them, and are counted.

    Raises:
        Unreadable: ``encoding`` is not the name of an encoding of text.
    """
    if encoding:
        return _decode_as(data, _known(encoding), ())
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            return _decode_as(data, name, ())
    try:
        return data.decode("utf-8"), "utf-8", ()
    except UnicodeDecodeError:
        pass
    if _is_damaged_utf8(data):
        return _decode_as(data, "utf-8", ())
    guess = _guess(data)
    return _decode_as(data, guess, (f"The file was read as {ENCODINGS[guess]}.",))


def _known(encoding: str) -> str:
    wanted = re.sub(r"[\s_]+", "-", encoding.strip().lower())
    for name, title in ENCODINGS.items():
        if wanted == title.lower():
            return name
    try:
        codec = codecs.lookup(wanted)
        # Some codecs of Python are not encodings of text, such as base64 and punycode.
        b"a\xff\n".decode(codec.name, "replace")
    except (LookupError, ValueError):
        raise Unreadable(
            f"cannot be read in the encoding {encoding[:40]!r}, which is not known; use one such "
            "as utf-8, cp1252 or gb18030"
        ) from None
    return codec.name


def _decode_as(data: bytes, name: str, notes: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    title = ENCODINGS.get(name, _MARK_NAMES.get(name, name).upper())
    encoding = _MARK_NAMES.get(name, name)
    try:
        return data.decode(name), encoding, notes
    except UnicodeDecodeError:
        pass
    text = _escaped(data, name)
    first = _BAD.search(text)
    start = first.start() if first else 0
    line = text.count("\n", 0, start) + 1
    mended, places = _BAD.subn("�", text)
    where = f"1 place (line {line:,})" if places == 1 else f"{places:,} places (from line {line:,})"
    return mended, encoding, (*notes, f"Bytes that are not {title} were read as � in {where}.")


def _escaped(data: bytes, name: str) -> str:
    """The text with lone surrogates where bytes are none."""
    try:
        return data.decode(name, "surrogateescape")
    except UnicodeDecodeError:  # where half of a wide character is ASCII, which has no surrogate
        return data.decode(name, "replace").replace("�", "\udc80")


def _is_damaged_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8 but for a few: of other encodings, far fewer fit by chance."""
    good = data.decode("utf-8", "ignore")
    ascii_only = data.translate(None, delete=bytes(range(128, 256)))
    bad = len(data) - len(good.encode())
    return len(good) - len(ascii_only) >= 2 * bad


def _guess(data: bytes) -> str:
    """The probable encoding of bytes that are not UTF-8.

    charset-normalizer knows languages by their letters, which needs more text than many files
    have: of two rows of Chinese it makes Korean. So the encodings with two bytes a character are
    told first, by their most frequent characters, which stand together in their tables.
    """
    sample = b"".join(re.findall(rb"[^\n]*[\x80-\xff][^\n]*\n?", data[: 20 * _SAMPLE]))
    if len(sample) > _SAMPLE:
        # Cut behind a line, or a character might be cut.
        sample = sample[: sample.rfind(b"\n", 0, _SAMPLE) + 1] or sample[:_SAMPLE]
    shares = {name: _usual_share(sample, name) for name in _USUAL}
    best = max(shares, key=lambda name: shares[name])
    if shares[best] >= 0.85:
        return best
    return _guess_of_single_bytes(sample) if sample else "cp1252"


def _guess_of_single_bytes(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    if _is_hungarian(sample):
        return "cp1250"
    scores: dict[str, tuple[float, float]] = {}
    for match in from_bytes(sample, cp_isolation=list(_SINGLE_BYTE), preemptive_behaviour=False):
        # Encodings that give the same text are one match.
        for name in match.could_be_from_charset:
            scores.setdefault(name, (match.chaos, -match.coherence))
    if not scores:
        return _of_latin(sample)
    chaos, coherence = min(scores.values())
    # Of those that are about equal the one that is used most.
    near = [n for n, (c, h) in scores.items() if c <= chaos + 0.02 and h <= coherence + 0.03]
    name = min(near, key=lambda n: _SINGLE_BYTE.index(n) if n in _SINGLE_BYTE else 99)
    name = codecs.lookup(name).name
    return _of_latin(sample) if name in ("cp1252", "cp1250") else name


def _of_latin(sample: bytes) -> str:
    """Which encoding of Latin letters: that in which the fewest words have signs inside.

    Turkish has letters where Western encodings have those of Icelandic, which has accents besides.
    """
    signs: dict[str, int] = {}
    for name in ("cp1252", "cp1250", "iso8859-2"):
        text = sample.decode(name, "replace")
        signs[name] = sum(not c.isalpha() for c in _INSIDE_WORD.findall(text))
    best = min(signs, key=lambda name: signs[name])
    western = Counter(_NOT_ASCII.findall(sample.decode("cp1252", "replace")))
    turkish = sum(western[c] for c in "ýþðÝÞÐ")
    if best == "cp1252" and 5 * turkish >= western.total() and not western.keys() & set("áéíóúæ"):
        return "cp1254"
    return best


def _is_hungarian(sample: bytes) -> bool:
    """Whether Western letters are those of Hungarian, with õ and û in the places of its ő and ű.

    No other letter beyond ASCII stands there but its vowels, and some have an acute accent.
    Portuguese has õ before e, French has û and of these é alone, and Estonian no accent.
    """
    text = sample.decode("cp1252", "replace").lower()
    letters = Counter(filter(str.isalpha, text))
    marked = {c: n for c, n in letters.items() if c > "\x7f"}
    return (
        marked.keys() <= set("áéíóöúüõû")
        and bool(marked.keys() & set("õû"))
        and bool(marked.keys() & set("áíóú" + "é" * ("õ" in marked)))
        and text.count("õe") * 2 <= marked.get("õ", 0)
        and 2 * sum(marked.values()) < letters.total()
    )


def _usual_share(sample: bytes, encoding: str) -> float:
    """The share of characters beyond ASCII that texts in this encoding usually have."""
    text = _escaped(sample, encoding)
    bad = sum(len(run) for run in _BAD.findall(text))
    counts = Counter(_NOT_ASCII.findall(_BAD.sub("", text)))
    # Letters of one byte each also make pairs, but not where their number is odd.
    if bad > 0.01 * counts.total():
        return 0.0
    usual = kana = 0
    for character, n in counts.items():
        code = character.encode(encoding)
        lead, trail = code[0], code[-1]
        usual += n * (len(code) == 2 and _USUAL[encoding](lead, trail))
        kana += n * ("\u3041" <= character <= "\u30fa")
    total = max(1, counts.total())
    # Japanese is never written without kana, and no other language with them.
    if encoding in ("cp932", "euc_jp") and kana < 0.1 * total:
        return 0.0
    return usual / total


#: Whether two bytes are punctuation or one of the frequent characters.
_USUAL: dict[str, Callable[[int, int], bool]] = {
    "cp932": lambda lead, trail: 0x81 <= lead <= 0x83 or 0x88 <= lead <= 0x97,
    "euc_jp": lambda lead, trail: lead in (0xA1, 0xA3, 0xA4, 0xA5) or 0xB0 <= lead <= 0xCF,
    "cp949": lambda lead, trail: trail >= 0xA1 and (lead in (0xA1, 0xA3) or 0xB0 <= lead <= 0xC8),
    "gb18030": lambda lead, trail: trail >= 0xA1 and (lead in (0xA1, 0xA3) or 0xB0 <= lead <= 0xD7),
    "big5": lambda lead, trail: 0xA1 <= lead <= 0xC6,
}
