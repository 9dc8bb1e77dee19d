#!/usr/bin/env python3
"""Makes common.txt, the passwords and words that are guessed first:

    pip install zxcvbn==4.5.0
    python3 shared/src/model/password/make_common.py > shared/src/model/password/common.txt

zxcvbn (MIT licence, https://pypi.org/project/zxcvbn/) ranks the passwords of public leaks. Of these, the first ones that are
long enough to be chosen, and the first words that people put digits behind; with own.txt, which has what a list of English
leaks does not know.
"""
from pathlib import Path

from zxcvbn.frequency_lists import FREQUENCY_LISTS

PASSWORDS = 5_000
LENGTH = 8
# Words are looked for among so many of the most frequent passwords.
RANKS = 5_000
WORD_LENGTH = 4

ranked = FREQUENCY_LISTS["passwords"]
passwords = [text for text in ranked if len(text) >= LENGTH][:PASSWORDS]
words = [text for text in ranked[:RANKS] if WORD_LENGTH <= len(text) < LENGTH and text.isalpha()]
own = (Path(__file__).parent / "own.txt").read_text().split()
print("\n".join(sorted({text.lower() for text in passwords + words + own if text.isascii()})))
