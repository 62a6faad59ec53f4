"""Single values to whether they have the form of a kind of personal data."""

from __future__ import annotations

import ipaddress
import re
import unicodedata

__all__ = [
    "is_birth_date", "is_credit_card", "is_email", "is_gender", "is_iban", "is_ip", "is_latitude_or_longitude",
    "is_mac", "is_national_id", "is_passport", "is_person_name", "is_phone", "is_plate", "is_postcode", "is_prefixed_phone",
    "is_secret", "is_street_address", "is_us_ssn", "is_username", "is_word", "holds_personal_data",
]  # fmt: skip

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?\.)+[A-Za-z]{{2,63}}")
_EMAIL_INSIDE = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}(?![\w-])")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{5,22}[0-9](?:\s*(?:x|ext\.?)\s*[0-9]{1,6})?|\([0-9]{1,5}\)[0-9 ./-]{4,18}[0-9]")
_PREFIXED_PHONE = re.compile(r"(?:\+|00)[1-9][0-9 ()./-]{6,22}[0-9]")
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}")
_US_SSN = re.compile(r"(?!000|666|9[0-9]{2})[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}")
_IDENTIFIER = re.compile(r"[0-9A-Za-z][0-9A-Za-z ./-]{4,22}[0-9A-Za-z]")
_PASSPORT = re.compile(r"(?=.*[0-9])[A-Z0-9]{6,12}")
_PLATE = re.compile(r"(?=.*[0-9])(?=.*[^\W\d_])[^\W_](?:[^\W_]|[ -](?=[^\W_])){2,10}")
_POSTCODE = re.compile(r"(?=.*[0-9])[0-9A-Za-z][0-9A-Za-z -]{1,9}")
_USERNAME = re.compile(r"[^\s]{2,64}")
_DATE = re.compile(
    r"(?:(?P<year_first>[0-9]{4})[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?P<year_last>[0-9]{4})"
    r"|(?P<year_dense>[0-9]{4})[01][0-9][0-3][0-9]|(?P<year_only>[0-9]{4}))(?:[ T]00:00(?::00(?:\.0+)?)?Z?)?"
)
_SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,}|sk_(?:live|test)_[A-Za-z0-9]{16,}|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}|\$argon2(?:i|d|id)\$\S+|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*"
)
_GENDER_WORDS = """
    m f w d x u n o h 0 1 2 9 male female man woman other diverse divers unknown nonbinary non-binary mannlich maennlich weiblich
    homme femme masculin feminin hombre mujer masculino femenino
"""
_FIRM_AND_PLACE_WORDS = """
    airport aeroport flughafen inc ltd llc gmbh ag sa sarl bv corp company co hotel restaurant school university bank store shop
    station street road hospital group holding services international department product
"""
_LENGTHS_BY_COUNTRY = """
    AD=24 AE=23 AL=28 AT=20 AZ=28 BA=20 BE=16 BG=22 BH=22 BR=29 BY=28 CH=21 CR=22 CY=28 CZ=24 DE=22 DK=18 DO=28 EE=20 EG=29
    ES=24 FI=18 FO=18 FR=27 GB=22 GE=22 GI=23 GL=18 GR=27 GT=28 HR=21 HU=28 IE=22 IL=23 IQ=23 IS=26 IT=27 JO=30 KW=30 KZ=20
    LB=28 LC=32 LI=21 LT=20 LU=20 LV=21 LY=25 MC=27 MD=24 ME=22 MK=19 MR=27 MT=31 MU=30 NL=18 NO=15 PK=24 PL=28 PS=29 PT=25
    QA=29 RO=24 RS=22 SA=24 SC=31 SE=24 SI=19 SK=24 SM=27 ST=25 SV=28 TL=23 TN=24 TR=26 UA=29 VA=22 VG=24 XK=20
"""
_GENDERS = frozenset(_GENDER_WORDS.split())
_NOT_PERSONS = frozenset(_FIRM_AND_PLACE_WORDS.split())
_IBAN_LENGTHS = {country: int(length) for country, _, length in (pair.partition("=") for pair in _LENGTHS_BY_COUNTRY.split())}
_LONGEST_TEXT_READ = 4_000  # characters
_EARLIEST_BIRTH, _LATEST_BIRTH = 1850, 2100  # no clock: the answer must not change with the day


def is_email(value: str) -> bool:
    """Return whether the value is one address in the dot-atom form of RFC 5322, with a dotted host name.

    >>> is_email("ann.o'hara@example.co.uk"), is_email("a..b@example.com"), is_email("ann@localhost")
    (True, False, False)
    """
    return len(value) <= 254 and _EMAIL.fullmatch(value) is not None and len(value.rpartition("@")[0]) <= 64


def is_phone(value: str) -> bool:
    """Return whether the value may be a telephone number: 7 to 15 digits (ITU-T E.164) with the usual punctuation.

    A weak form, shared with dates and codes: only for columns whose name says telephone.
    """
    main = re.split(r"\s*(?:x|ext)", value, maxsplit=1)[0]
    return _PHONE.fullmatch(value) is not None and 7 <= _digits(main) <= 15 and not _looks_like_time(value)


def is_prefixed_phone(value: str) -> bool:
    """Return whether the value is a telephone number with its country prefix."""
    return value.startswith("+") and _PREFIXED_PHONE.fullmatch(value) is not None and 8 <= _digits(value) <= 15


def is_credit_card(value: str) -> bool:
    """Return whether the value is a payment card number: issuer prefix, length of that issuer, Luhn digit.

    A tenth of all numbers pass Luhn by chance, so prefix and length must agree as well.

    Source:
        ISO/IEC 7812-1.

    >>> is_credit_card("4111 1111 1111 1111"), is_credit_card("4111 1111 1111 1112"), is_credit_card("1234567812345670")
    (True, False, False)
    """
    number = value.replace(" ", "").replace("-", "")
    return number.isascii() and number.isdigit() and _is_issued(number) and _passes_luhn(number)


def _is_issued(number: str) -> bool:
    two, four = int(number[:2]), int(number[:4])
    lengths: tuple[int, ...] = ()
    if number[0] == "4":
        lengths = (16, 19)
    elif 51 <= two <= 55 or 2221 <= four <= 2720:
        lengths = (16,)
    elif two in (34, 37):
        lengths = (15,)
    elif two in (36, 38, 39) or 300 <= four // 10 <= 305:
        lengths = (14,)
    elif two in (35, 62, 65) or four == 6011 or 644 <= four // 10 <= 649:
        lengths = (16, 19)
    return len(number) in lengths


def _passes_luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def is_iban(value: str) -> bool:
    """Return whether the value is an IBAN: length of its country and ISO 7064 MOD 97-10.

    >>> is_iban("DE89 3704 0044 0532 0130 00"), is_iban("DE89 3704 0044 0532 0130 01")
    (True, False)
    """
    text = value.replace(" ", "").upper()
    if not (text.isascii() and text.isalnum() and text[2:4].isdigit() and _IBAN_LENGTHS.get(text[:2]) == len(text)):
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def is_ip(value: str) -> bool:
    """Return whether the value is an IPv4 or IPv6 address, with or without a prefix length."""
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        return False
    return "." in value or ":" in value


def is_mac(value: str) -> bool:
    """Return whether the value is a 48-bit hardware address with separators."""
    return _MAC.fullmatch(value) is not None


def is_us_ssn(value: str) -> bool:
    """Return whether the value is a dashed US social security number that could have been issued."""
    return _US_SSN.fullmatch(value) is not None


def is_national_id(value: str) -> bool:
    """Return whether the value may be a number of a person in some register; weak, only with the name."""
    return _IDENTIFIER.fullmatch(value) is not None and _digits(value) >= 4


def is_passport(value: str) -> bool:
    """Return whether the value may be a travel document number; weak, only with the name."""
    return _PASSPORT.fullmatch(value.upper().replace(" ", "")) is not None


def is_plate(value: str) -> bool:
    """Return whether the value may be a vehicle registration: letters and digits; weak, only with the name."""
    return _PLATE.fullmatch(value) is not None


def is_postcode(value: str) -> bool:
    """Return whether the value may be a postal code; weak, only with the name."""
    return _POSTCODE.fullmatch(value) is not None


def is_username(value: str) -> bool:
    """Return whether the value is one word, as account names are; weak, only with the name."""
    return _USERNAME.fullmatch(value) is not None and not _looks_like_time(value)


def is_birth_date(value: str) -> bool:
    """Return whether the value is a day (or a year) in which a person may have been born."""
    match = _DATE.fullmatch(value)
    return match is not None and _EARLIEST_BIRTH <= int(next(year for year in match.groups() if year)) <= _LATEST_BIRTH


def is_gender(value: str) -> bool:
    """Return whether the value is one of the usual codes or words for a gender in English, German, French or Spanish."""
    return _folded(value) in _GENDERS


def is_person_name(value: str) -> bool:
    """Return whether the value may be the name of a person: up to six words of letters, none of them typical of firms and places.

    >>> is_person_name("Anne-Marie O'Neill"), is_person_name("Schiphol Airport"), is_person_name("apache/spark")
    (True, False, False)
    """
    words = re.split(r"[\s,]+", value.strip(" ,"))
    if not 1 <= len(words) <= 6 or any(_folded(word).strip(".") in _NOT_PERSONS for word in words):
        return False
    return all(word and all(c.isalpha() or unicodedata.category(c).startswith("M") or c in "'’.-" for c in word) for word in words)


def is_street_address(value: str) -> bool:
    """Return whether the value may be a postal address or a part of one: letters, and more than one word."""
    several = bool(re.search(r"[\s,]", value)) or not value.isascii()
    return any(c.isalpha() for c in value) and several and not is_email(value) and "://" not in value


def is_latitude_or_longitude(value: str) -> bool:
    """Return whether the value is a number of degrees in -180 to 180, or a pair of them."""
    parts = re.split(r"\s*[,;]\s*", value.strip("()[] "))
    if not 1 <= len(parts) <= 2 or not all(re.fullmatch(r"[+-]?[0-9]{1,3}(?:\.[0-9]+)?", part) for part in parts):
        return False
    return all(abs(float(part)) <= 180 for part in parts)


def is_secret(value: str) -> bool:
    """Return whether the value has the form of a well-known credential: access key, token, password hash, private key."""
    return _SECRET.fullmatch(value) is not None


def is_word(value: str) -> bool:
    """Return whether there is anything to read: for kinds that only a name can tell."""
    return any(c.isalnum() for c in value)


def holds_personal_data(value: str) -> bool:
    """Return whether an e-mail address, IBAN or payment card number stands somewhere in the text; decimals of a number are none.

    >>> holds_personal_data("card 4111 1111 1111 1111"), holds_personal_data("-6.4111111111111111")
    (True, False)
    """
    value = value[:_LONGEST_TEXT_READ]
    if _EMAIL_INSIDE.search(value):
        return True
    blocks = re.findall(r"(?<!\w)(?<![0-9][.,])(?:[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]){11,30}|[0-9](?:[ -]?[0-9]){13,18})(?!\w)", value)
    # A value that is nothing but digits is an identifier: a tenth of those pass Luhn by chance.
    return any(is_iban(block) or (block != value and is_credit_card(block)) for block in blocks)


def _digits(value: str) -> int:
    return sum(c.isdigit() for c in value)


def _folded(value: str) -> str:
    """Return the value without letter case and accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", value.casefold()) if not unicodedata.combining(c))


def _looks_like_time(value: str) -> bool:
    return re.match(r"[0-9]{4}[-/.][0-9]{2}[-/.][0-9]{2}|[0-9]{2}[-/.][0-9]{2}[-/.][0-9]{4}(?![0-9])", value) is not None
