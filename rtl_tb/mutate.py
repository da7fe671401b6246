"""Operator mutants of the library: one token changed, as an oversight would change it.

`mutants` lists every mutant of a module's text, `draw` brings them into an order that a seed fixes.
What no bench looks at on purpose gives none: comments, headers with their ports and defaults,
elaboration checks, sinks of what is not used, and the ranges of declarations. Where a change is
harmless by construction (a counter made wider), it is not made either.

A mutant is named by its line before and after, so that it keeps its name, and its place in the
order, while other lines of the module change.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

__all__ = ["Mutant", "draw", "mutants"]

_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|\(\*.*?\*\)|\s+          # nothing that counts
    |(?P<text>"[^"]*")
    |(?P<number>\d+'s?[bodh][0-9a-fA-F_xzXZ]+|'[01]|\d+)
    |(?P<word>[$`]?[A-Za-z_]\w*)
    |(?P<sign><<<|>>>|<=|>=|==|!=|&&|\|\||<<|>>|\+:|\+\+|\|=|\*\*|.)""",
    re.VERBOSE | re.DOTALL,
)
_BINARY = {
    "+": ("-",),
    "-": ("+",),
    "*": ("+",),
    "/": ("*",),
    "%": ("/",),
    "&&": ("||",),
    "||": ("&&",),
    "&": ("|",),
    "|": ("&",),
    "^": ("|",),
    "==": ("!=",),
    "!=": ("==",),
    "<": ("<=", ">"),
    ">": (">=", "<"),
    "<=": ("<",),
    ">=": (">",),
    "<<": (">>",),
    ">>": ("<<",),
    "<<<": (">>>",),
    ">>>": ("<<<", ">>"),
    "|=": ("&=",),
}
_UNARY = {"!": "", "~": "", "-": "", "&": "|", "|": "&"}
_FIXED = {"1'b0": "1'b1", "1'b1": "1'b0", "'0": "'1", "'1": "'0"}
_OPEN, _CLOSE = {"(": ")", "[": "]", "{": "}", "begin": "end"}, {")", "]", "}", "end"}
_DECLARES = {"logic", "localparam", "typedef", "genvar", "function"}


@dataclass(frozen=True)
class Mutant:
    """A module's text with the characters from `start` to `end` replaced by `after`.

    `before_line` and `after_line` are the lines that it changes, without comments and runs of
    spaces; `nth` tells equal ones apart, from 1.
    """

    module: str
    start: int
    end: int
    after: str
    before_line: str
    after_line: str
    nth: int = 1

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What names it."""
        return self.module, self.before_line, self.after_line, self.nth

    def __str__(self) -> str:
        """Return a patch."""
        which = f"@@ {self.nth} @@\n" if self.nth > 1 else ""
        return f"{self.module}\n{which}- {self.before_line}\n+ {self.after_line}"

    def apply(self, text: str) -> str:
        """Return the mutated module."""
        return text[: self.start] + self.after + text[self.end :]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


class _Module:
    """The tokens of a module, their partners, and which of them may be changed."""

    def __init__(self, text: str):
        self.text = text
        self.tokens = [
            _Token(found.lastgroup, found.group(), *found.span())
            for found in _TOKEN.finditer(text)
            if found.lastgroup
        ]
        self.words = [token.text for token in self.tokens]
        self.partner: dict[int, int] = {}
        waiting: list[int] = []
        for index, word in enumerate(self.words):
            if word in _OPEN:
                waiting.append(index)
            elif word in _CLOSE:
                opened = waiting.pop()
                self.partner[opened], self.partner[index] = index, opened
        self.live = [True] * len(self.tokens)
        self.narrow: list[tuple[int, int]] = []  # values of widths, first and last token
        self._skip()

    def _kill(self, first: int, last: int) -> None:
        self.live[first : last + 1] = [False] * (last + 1 - first)

    def until(self, index: int, stops: set[str]) -> int:
        """Return the first token from `index`, outside further brackets, that is one of `stops`."""
        while self.words[index] not in stops:
            index = self.partner[index] + 1 if self.words[index] in _OPEN else index + 1
        return index

    def arm(self, index: int) -> int:
        """Return what ends an arm of a ternary operator that begins at `index`."""
        inner = 0
        while True:
            index = self.until(index, {"?", ":", ";", ",", *_CLOSE})
            if self.words[index] == "?":
                inner += 1
            elif self.words[index] == ":" and inner:
                inner -= 1
            else:
                return index
            index += 1

    def _skip(self) -> None:
        words = self.words
        begin = words.index("module")
        end = self.until(begin, {";"})
        self._kill(0, end)
        for index in range(end, len(words)):
            word = words[index]
            if word in _DECLARES and self.live[index]:
                last = self.until(index, {"=", ";", ","} if word == "genvar" else {"=", ";"})
                self._kill(index, last)
                if words[last] == "=" and words[last - 1].endswith("Bits"):
                    end = self.until(last, {";"})
                    self.narrow.append((last + 1, end - 1))
                    self._kill(last, end)
            elif word == "initial" and self.live[index]:
                last = self.until(index, {";", "begin"})
                last = self.partner.get(last, last)
                if "$fatal" in words[index:last]:
                    self._kill(index, last)
            elif word == "gen_bad":
                first = max(i for i in range(index) if words[i] == "if")
                self._kill(first, self.partner[index - 2])
            elif word == "assign" and words[index + 1].startswith("unused"):
                self._kill(index, self.until(index, {";"}))

    def unary(self, index: int) -> bool:
        """Return whether the operator has nothing before it to work on."""
        before = self.tokens[index - 1]
        return before.kind == "sign" and before.text not in _CLOSE

    def target(self, index: int) -> int | None:
        """Return the first token of the register that this ``<=`` assigns, if it does."""
        first = index - 1
        while self.words[first] == "]":
            first = self.partner[first] - 1
        before = self.words[first - 1]
        if before == ")":
            opened = self.partner[first - 1]
            before = ";" if self.words[opened - 1] in {"if", "@", "for"} else before
        starts = self.tokens[first].kind == "word" and before in {";", "begin", "end", "else"}
        return first if starts else None


def _changes(module: _Module) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, text) of every change."""
    tokens, words = module.tokens, module.words

    def source(first: int, last: int) -> str:
        return module.text[tokens[first].start : tokens[last].end]

    def swap(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int, str]:
        between = module.text[tokens[first[1]].end : tokens[second[0]].start]
        text = source(*second) + between + source(*first)
        return tokens[first[0]].start, tokens[second[1]].end, text

    for first, last in module.narrow:
        yield tokens[first].start, tokens[last].end, f"({source(first, last)}) - 1"
    for index, token in enumerate(tokens):
        if not module.live[index]:
            continue
        word, place = token.text, (token.start, token.end)
        if token.kind == "number":
            if word in _FIXED:
                yield *place, _FIXED[word]
            elif word.isdigit() and words[index + 1] != "'":
                yield *place, str(int(word) + 1)
                if int(word):
                    yield *place, str(int(word) - 1)
        elif word == "if":
            last = module.partner[index + 1]
            signs = {token.text for token in tokens[index + 2 : last] if token.kind == "sign"}
            if signs not in ({"=="}, {"!="}):  # their operator gives the same mutant
                yield tokens[index + 1].start, tokens[last].end, f"(!{source(index + 1, last)})"
        elif word == "$signed" and words[index + 2 : index + 4] != ["{", "1'b0"]:
            yield *place, "$unsigned"
        elif word == "?":
            colon = module.arm(index + 1)
            end = module.arm(colon + 1)
            yield swap((index + 1, colon - 1), (colon + 1, end - 1))
        elif word == "{" and words[index - 1] != "'":
            comma, last = module.until(index + 1, {",", "}"}), module.partner[index]
            if words[comma] == "," and module.until(comma + 1, {",", "}"}) == last:
                yield swap((index + 1, comma - 1), (comma + 1, last - 1))
        elif word == "+:":
            first = max(i for i in range(index) if module.partner.get(i, 0) > index)
            yield tokens[first].end, tokens[first].end, "1 + "
        elif word == "." and tokens[index + 1].kind == "word" and words[index - 1] in {"(", ","}:
            yield from _connection(module, index, swap)
        elif word == "<=" and (first := module.target(index)) is not None:
            last = module.until(index, {";"})
            yield tokens[first].start, tokens[last].end, ";"
        elif word in _UNARY and module.unary(index):
            yield *place, _UNARY[word]
        elif not (token.kind == "sign" and module.unary(index)):
            for other in _BINARY.get(word, ()):
                yield *place, other


def _connection(module: _Module, index: int, swap) -> Iterator[tuple[int, int, str]]:
    """Yield an instance's input tied, and what two neighbours are connected to, exchanged."""
    tokens, words = module.tokens, module.words
    name, opened = words[index + 1], index + 2
    whole = words[opened] == "("
    if name.endswith("_i") and name != "clk_i" and tokens[opened + whole].kind != "number":
        tied = "1'b0" if name == "rst_i" else "'0" if name.endswith("data_i") else "'1"
        end = tokens[module.partner[opened]].end if whole else tokens[index + 1].end
        yield tokens[index + 1].end, end, f"({tied})"
    if whole:
        closed = module.partner[opened]
        following = words[closed + 1 : closed + 3] == [",", "."] and words[closed + 4] == "("
        if following and closed > opened + 1:
            other = closed + 4
            last = module.partner[other]
            if words[opened:closed] != words[other:last]:
                yield swap((opened + 1, closed - 1), (other + 1, last - 1))


def _line(text: str) -> str:
    """Return lines as one, without comments."""
    return " ".join(re.sub(r"//[^\n]*", "", text).split())


def mutants(name: str, text: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of its text."""
    found, seen = [], Counter()
    for start, end, after in sorted(set(_changes(_Module(text)))):
        first = text.rfind("\n", 0, start) + 1
        last = text.index("\n", end)
        lines = (_line(text[first:last]), _line(text[first:start] + after + text[end:last]))
        mutant = Mutant(name, start, end, after, *lines)
        seen[mutant.key] += 1
        found.append(replace(mutant, nth=seen[mutant.key]))
    return found


def draw(name: str, text: str, seed: int) -> list[Mutant]:
    """Return every mutant of a module in a random order, which `seed` fixes."""

    def rank(mutant: Mutant) -> bytes:
        return hashlib.sha256(repr((seed, mutant.key)).encode()).digest()

    return sorted(mutants(name, text), key=rank)
