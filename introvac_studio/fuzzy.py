"""Finding a line by some of its letters: how well they fit, and which they are."""

from __future__ import annotations

_START, _RUN, _PLAIN = 6.0, 8.0, 1.0  # a letter that begins a word, follows the one before, or neither
_JUMP = 6.0  # what letters left out between two that fit cost
_LONG, _LEAST = 5, 4.0  # letters of a query that is to fit in pieces, and what each of them counts at least


def match(query: str, text: str) -> tuple[float, tuple[int, ...]] | None:
    """How well the letters of `query` are found in `text` in their order, and where; None if they are not.

    Case and blanks of the query count nothing; a long query is not found in scattered letters. Letters at
    the beginnings of words and letters in a row count most, and of two texts that fit alike the shorter
    one is better.
    """
    letters = [c for c in query.casefold() if not c.isspace()]
    low = text.casefold()
    if len(low) != len(text):  # a letter that folds to two: places would be off
        low = text.lower() if len(text.lower()) == len(text) else text
    if not letters:
        return 0.0, ()
    # best[j]: the best way that puts the letters so far with the last of them at place j
    best: dict[int, tuple[float, tuple[int, ...]]] = {-1: (0.0, ())}
    for letter in letters:
        following: dict[int, tuple[float, tuple[int, ...]]] = {}
        for j, c in enumerate(low):
            if c != letter:
                continue
            start = j == 0 or not low[j - 1].isalnum()
            ways = [(score + _worth(i, j, start), places) for i, (score, places) in best.items() if i < j]
            if ways:
                score, places = max(ways)
                following[j] = (score, (*places, j))
        if not following:
            return None
        best = following
    score, places = max(best.values())
    if len(letters) >= _LONG and score < _LEAST * len(letters):
        return None
    return score - 0.01 * len(text), places


def _worth(before: int, at: int, start: bool) -> float:
    if 0 <= before == at - 1:
        return _RUN
    return (_START if start else _PLAIN) - (_JUMP if before >= 0 else 0.0)
