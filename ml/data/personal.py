"""Personal data in a text: e-mail addresses, phone numbers, payment cards, bank accounts.

Patterns propose, check digits decide where there are any (Luhn for cards, ISO 7064 mod 97-10 for
IBANs).  Addresses of offices (info@, support@) and toll-free numbers are nobody's own.
"""

from __future__ import annotations

import re

from ml.data.findings import Finding

_E_MAIL = re.compile(
    r"(?<![\w.+-])([\w.+-]{1,64})@(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}", re.IGNORECASE
)
_OFFICES_TEXT = (
    "info contact support help sales admin office press media webmaster service services noreply "
    "no-reply postmaster abuse privacy hello team jobs feedback enquiries inquiries"
)
_OFFICES = frozenset(_OFFICES_TEXT.split())
_PHONE = re.compile(
    r"(?<![\w.-])(?:(?:\+\d{1,3}[ .-]?|1[ .-])?\(?(?P<area>\d{3})\)?[ .-]\d{3}[ .-]\d{4}"
    r"|\+\d{1,3}(?:[ .-]?\d){7,12})(?![\w-])"
)
_TOLL_FREE = frozenset(("800", "833", "844", "855", "866", "877", "888"))
_CARD = re.compile(r"(?<![\w.-])(?:4|5[1-5]|2[2-7]|3[47]|35|6011|65)\d(?:[ -]?\d){10,17}(?![\w-])")
_CARD_DIGITS = range(13, 20)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_IBAN_CHARACTERS = range(15, 35)
_LONG_NUMBER = re.compile(r"\d[\d ().-]{5,}\d")
"""Is in every phone, card and account number: a cheap test before the patterns."""


def personal_data(text: str) -> Finding | None:
    """The first kind of personal data in a text, or None."""
    if "@" in text and _has_e_mail(text):
        return Finding.E_MAIL
    if not _LONG_NUMBER.search(text):
        return None
    if any(_is_card(match.group()) for match in _CARD.finditer(text)):
        return Finding.CARD
    if any(_is_iban(match.group()) for match in _IBAN.finditer(text)):
        return Finding.BANK_ACCOUNT
    if any(match.group("area") not in _TOLL_FREE for match in _PHONE.finditer(text)):
        return Finding.PHONE
    return None


def _has_e_mail(text: str) -> bool:
    return any(match.group(1).lower() not in _OFFICES for match in _E_MAIL.finditer(text))


def _is_card(written: str) -> bool:
    """Luhn's check: every second digit from the right counts double, less 9 above 9."""
    digits = [int(character) for character in written if character.isdecimal()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(digits) in _CARD_DIGITS and (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def _is_iban(written: str) -> bool:
    """ISO 13616: with the head at the end and letters as numbers, the rest by 97 is 1."""
    characters = written.replace(" ", "")
    if len(characters) not in _IBAN_CHARACTERS:
        return False
    number = "".join(str(int(character, 36)) for character in characters[4:] + characters[:4])
    return int(number) % 97 == 1
