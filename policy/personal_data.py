"""The kinds of personal data Parity recognises: how columns that hold them are named, typed and filled."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from policy import patterns

__all__ = ["KINDS", "PEOPLE", "PERSONAL_CONTEXT", "Kind", "family_of", "named", "words_of"]

_WORDS_ABOUT_A_VALUE = """
    id ids key count cnt flag type kind status verified valid enabled allowed opt optin optout sent domain provider template subject at ts
    timestamp updated created changed length len size total rate label format source quality score index position file path url uri anzahl
    typ
"""
_ABOUT_A_VALUE = frozenset(_WORDS_ABOUT_A_VALUE.split())
"""A last word that turns the name of a value into the name of something about it: email_count, address_id, phone_verified."""


@dataclass(frozen=True)
class Kind:
    """One kind of personal data.

    Attributes:
        name: as in `policy.json`, section `sensitivity`.
        names: phrases that name such a column, blanks between words; English, German, French, Spanish.
        families: of types that can hold it.
        has_form: whether a text has the form; for many kinds a weak test that only counts together with the name.
        form_alone: a strict form that is evidence without any name; None = the name is needed.
        not_with: words beside which the phrase means something else.
        about_allowed: last words that leave the meaning (`tax id`), although they usually tell about a value.
        in_context: the kind is only meant in a table that holds other personal data (a city, a bare `name`).
    """

    name: str
    names: tuple[str, ...]
    families: frozenset[str]
    has_form: Callable[[str], bool]
    form_alone: Callable[[str], bool] | None = None
    not_with: frozenset[str] = frozenset()
    about_allowed: frozenset[str] = frozenset()
    in_context: bool = False


_TEXT = frozenset({"text"})
_TEXT_OR_WHOLE = frozenset({"text", "integer", "decimal"})
_NUMBERS = frozenset({"text", "integer", "decimal", "float"})
_ANY_BUT_TIME = frozenset({"text", "integer", "decimal", "boolean", "nested"})
_IDS = frozenset({"id", "key", "index"})


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in text.split(","))


KINDS: tuple[Kind, ...] = (
    Kind(
        "secret",
        _phrases(
            "password, passwd, pwd, passphrase, passwort, kennwort, mot de passe, motdepasse, contrasena, clave secreta, "
            "secret, api key, access key, private key, secret key, access token, refresh token, auth token, session token, "
            "bearer token, api token, token, otp, cvv, cvc, security code, credential, credentials"
        ),
        frozenset({"text", "binary"}),
        patterns.is_word,
        form_alone=patterns.is_secret,
        not_with=frozenset({"policy", "expires", "expiry", "reset", "hint", "question"}),
        about_allowed=frozenset({"key"}),
    ),
    Kind(
        "email",
        _phrases("email, e mail, mail, email address, mail address, correo, correo electronico, courriel, emailadresse"),
        _TEXT,
        patterns.is_email,
        form_alone=patterns.is_email,
        not_with=frozenset({"campaign", "template", "server", "client", "gateway"}),
    ),
    Kind(
        "iban",
        _phrases("iban, bank account, bank account number, account number, kontonummer, bankverbindung, numero de compte, cuenta bancaria"),
        _TEXT,
        patterns.is_iban,
        form_alone=patterns.is_iban,
    ),
    Kind(
        "credit_card",
        _phrases(
            "credit card, card number, cc number, ccn, creditcard, card no, kreditkarte, kreditkartennummer, carte bancaire, "
            "carte credit, tarjeta, tarjeta credito, numero tarjeta, debit card"
        ),
        _TEXT_OR_WHOLE,
        patterns.is_credit_card,
        form_alone=patterns.is_credit_card,
        not_with=frozenset({"expiry", "brand", "network"}),
    ),
    Kind(
        "ip",
        _phrases("ip, ip address, ip addr, ipaddress, client ip, remote addr, ipv4, ipv6, ip adresse, adresse ip, direccion ip"),
        _TEXT,
        patterns.is_ip,
        form_alone=patterns.is_ip,
        not_with=frozenset({"version", "release", "build", "rating"}),
    ),
    Kind("mac", _phrases("mac, mac address, mac addr, hardware address, macaddress"), _TEXT, patterns.is_mac, form_alone=patterns.is_mac),
    Kind(
        "national_id",
        _phrases(
            "ssn, social security, social security number, national id, national identifier, national insurance, nino, "
            "identity card, id card, citizen id, personal id, personal number, sozialversicherungsnummer, sv nummer, svnr, "
            "personalausweis, ausweisnummer, numero securite sociale, securite sociale, dni, curp, cpf, aadhaar, pesel, bsn, "
            "codice fiscale, personnummer"
        ),
        _TEXT_OR_WHOLE,
        patterns.is_national_id,
        form_alone=patterns.is_us_ssn,
        about_allowed=_IDS,
    ),
    Kind(
        "tax_id",
        _phrases(
            "tax id, tax number, tax identification, taxid, vat id, vat number, vat no, steuer id, steuernummer, "
            "steueridentifikationsnummer, ust id, ustid, numero fiscal, numero tva, nif, identificacion fiscal"
        ),
        _TEXT_OR_WHOLE,
        patterns.is_national_id,
        about_allowed=_IDS,
    ),
    Kind(
        "passport",
        _phrases("passport, passport number, passport no, passport id, reisepass, reisepassnummer, passnummer, passeport, pasaporte"),
        _TEXT_OR_WHOLE,
        patterns.is_passport,
        not_with=frozenset({"country", "issued", "expiry", "expires"}),
        about_allowed=_IDS,
    ),
    Kind(
        "driver_license",
        _phrases(
            "driver license, drivers license, driving licence, driving license, driver licence, dl number, fuehrerschein, "
            "fuhrerschein, permis de conduire, permis conduire, licencia de conducir, carnet de conducir"
        ),
        _TEXT_OR_WHOLE,
        patterns.is_national_id,
        not_with=frozenset({"country", "class", "expiry", "expires"}),
        about_allowed=_IDS,
    ),
    Kind(
        "license_plate",
        _phrases(
            "license plate, licence plate, number plate, plate number, registration plate, numberplate, kennzeichen, kfz "
            "kennzeichen, autokennzeichen, nummernschild, immatriculation, matricula"
        ),
        _TEXT,
        patterns.is_plate,
        not_with=frozenset({"country", "state"}),
    ),
    Kind(
        "phone",
        _phrases(
            "phone, phone number, telephone, tel, mobile, mobile number, mobile phone, cell phone, cellphone, fax, msisdn, "
            "telefon, telefonnummer, handy, handynummer, mobilnummer, rufnummer, numero telephone, telefono, movil, celular, "
            "contact number"
        ),
        _TEXT_OR_WHOLE,
        patterns.is_phone,
        form_alone=patterns.is_prefixed_phone,
        not_with=frozenset({"model", "os", "app", "brand", "carrier", "device", "version"}),
    ),
    Kind(
        "birth_date",
        _phrases(
            "birth date, date of birth, dob, birthday, birth day, birthdate, birth year, year of birth, born, born on, "
            "geburtsdatum, geburtstag, geb datum, gebdat, geburtsjahr, date naissance, date de naissance, annee naissance, "
            "fecha nacimiento, fecha de nacimiento"
        ),
        frozenset({"text", "date", "timestamp", "integer"}),
        patterns.is_birth_date,
    ),
    Kind(
        "username",
        _phrases(
            "username, user name, login, login name, nickname, nick name, screen name, handle, benutzername, nutzername, nom "
            "utilisateur, nombre usuario, usuario, account name, display name"
        ),
        _TEXT,
        patterns.is_username,
    ),
    Kind(
        "person_name",
        _phrases(
            "first name, last name, full name, middle name, given name, family name, maiden name, surname, forename, fname, "
            "lname, customer name, contact name, person name, employee name, patient name, passenger name, holder name, "
            "cardholder, cardholder name, beneficiary name, recipient name, student name, vorname, nachname, familienname, "
            "geburtsname, kundenname, ansprechpartner, prenom, nom de famille, nom famille, nom client, apellido, apellidos, "
            "primer apellido, segundo apellido, nombre completo, nombre cliente"
        ),
        _TEXT,
        patterns.is_person_name,
        not_with=frozenset({"file", "table", "column", "repository", "repo", "host", "domain", "product"}),
    ),
    Kind(
        "address",
        _phrases(
            "address, street address, street, street name, postal address, mailing address, home address, shipping address, "
            "billing address, addr, address line, adresse, anschrift, strasse, wohnadresse, rue, calle, direccion, domicilio"
        ),
        _TEXT,
        patterns.is_street_address,
        not_with=frozenset({"ip", "mac", "email", "mail", "web", "wallet", "memory", "contract", "hardware", "url", "server"}),
    ),
    Kind(
        "postcode",
        _phrases("postcode, post code, postal code, zip, zip code, zipcode, plz, postleitzahl, code postal, codigo postal"),
        _TEXT_OR_WHOLE,
        patterns.is_postcode,
        not_with=frozenset({"archive", "gzip"}),
        in_context=True,
    ),
    Kind(
        "geo",
        _phrases(
            "latitude, longitude, lat, lon, lng, latlng, lat lon, geo, gps, coordinates, coords, geolocation, breitengrad, "
            "laengengrad, langengrad, latitud, longitud"
        ),
        _NUMBERS,
        patterns.is_latitude_or_longitude,
        in_context=True,
    ),
    Kind(
        "gender",
        _phrases("gender, sex, geschlecht, sexe, sexo, genero"),
        frozenset({"text", "integer", "boolean"}),
        patterns.is_gender,
        about_allowed=frozenset({"id", "type"}),
    ),
    Kind(
        "health",
        _phrases(
            "diagnosis, diagnoses, icd, icd10, icd 10, icd code, blood type, blood group, allergy, allergies, medication, "
            "prescription, disease, medical record, medical history, mrn, disability, pregnant, pregnancy, vaccination, hiv, "
            "diagnose, blutgruppe, allergie, krankheit, medikament, behinderung, schwanger, maladie, groupe sanguin, "
            "diagnostic medical, enfermedad, diagnostico, grupo sanguineo"
        ),
        _ANY_BUT_TIME,
        patterns.is_word,
        about_allowed=frozenset({"type", "id", "status"}),
    ),
    Kind(
        "special_category",
        _phrases(
            "religion, religious, confession, konfession, ethnicity, ethnic, race ethnicity, ethnie, etnia, sexual "
            "orientation, political party, political opinion, trade union, gewerkschaft, syndicat, biometric, fingerprint "
            "data, criminal record"
        ),
        _ANY_BUT_TIME,
        patterns.is_word,
    ),
    Kind(
        "income",
        _phrases("salary, income, wage, gehalt, lohn, einkommen, salaire, revenu, salario, sueldo"),
        _NUMBERS,
        patterns.is_word,
    ),
    Kind(
        "city",
        _phrases("city, town, wohnort, ort, stadt, ville, ciudad, place of birth, birth place, geburtsort"),
        _TEXT,
        patterns.is_word,
        in_context=True,
    ),
    Kind("person_name", _phrases("name, nom, nombre"), _TEXT, patterns.is_person_name, in_context=True),
    Kind(
        "free_text",
        _phrases(
            "notes, note, comment, comments, remark, remarks, free text, message, message body, bemerkung, bemerkungen, "
            "kommentar, notiz, notizen, commentaire, remarque, observaciones, comentario, comentarios"
        ),
        _TEXT,
        patterns.is_word,
    ),
)
"""In the order of precedence: the first kind that fits names the column."""

PERSONAL_CONTEXT = frozenset(
    {"email", "birth_date", "username", "person_name", "gender", "national_id", "passport", "driver_license", "health", "special_category"}
    | {"income"}
)
"""Kinds that tell that the rows of a table are people."""

PEOPLE = frozenset(
    {"customer", "user", "patient", "employee", "person", "passenger", "driver", "member", "subscriber", "student", "citizen", "rider"}
    | {"kunde", "kunden", "nutzer", "benutzer", "patienten", "mitarbeiter", "usuario", "empleado", "paciente", "utilisateur", "salarie"}
)
"""Words in the name of a column that tell the same."""

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_A-Za-z]+")
_FAMILIES = (
    ("text", "string char varchar character text"),
    ("integer", "tinyint smallint int integer bigint byte short long"),
    ("decimal", "decimal numeric dec"),
    ("float", "float double real"),
    ("boolean", "boolean bool"),
    ("date", "date"),
    ("timestamp", "timestamp timestamp_ntz timestamp_ltz time"),
    ("binary", "binary varbinary bytes"),
    ("nested", "array struct map variant"),
)
_FAMILY_OF = {name: family for family, names in _FAMILIES for name in names.split(" ")}


def family_of(canonical_type: str) -> str:
    """Return the family of a type text, `other` when it is none of those that hold values of people.

    >>> family_of("decimal(12,2)"), family_of("array<string>"), family_of("interval day to second")
    ('decimal', 'nested', 'other')
    """
    word = re.match(r"\w+", canonical_type.strip().casefold())
    return _FAMILY_OF.get(word.group(), "other") if word else "other"


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a column name: split at case, digits and punctuation; without letter case and accents.

    >>> words_of("customerEMailAddress2"), words_of("Straße_Nr"), words_of("dateDeNaissance")
    (('customer', 'e', 'mail', 'address', '2'), ('strasse', 'nr'), ('date', 'de', 'naissance'))
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.replace("ß", "ss")) if not unicodedata.combining(c))
    return tuple(word.casefold() for word in _WORD.findall(plain))


def named(words: tuple[str, ...], kind: Kind) -> str | None:
    """Return the phrase by which a column name tells this kind, or None.

    A phrase may be written as several words or as one (`first_name`, `firstname`). A name that ends in a word such as
    `count` or `verified` tells something about the value and not the value.
    """
    if kind.not_with & set(words) or (words and words[-1] in _ABOUT_A_VALUE - kind.about_allowed):
        return None
    fitting = [phrase for phrase in kind.names if _holds(words, tuple(phrase.split(" ")))]
    if kind.in_context and kind.name == "person_name" and len(words) != 1:
        return None  # a bare "name" only: product_name and file_name are no people
    return max(fitting, key=len, default=None)


def _holds(words: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    """Return whether the words of the phrase follow each other in the name, or stand there as one word."""
    if "".join(phrase) in words:
        return True
    return any(words[start : start + len(phrase)] == phrase for start in range(len(words) - len(phrase) + 1))
