import hashlib
import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.classify import ColumnFacts, classify, mask, new_mask_key
from policy.personal_data import KINDS, family_of, words_of
from policy.severity import load_policy
from schemas.errors import ConfigError

EMAILS = tuple(f"person{number}@example.com" for number in range(20))
CARDS = ("4111111111111111", "4012888888881881", "5555555555554444", "5105105105105100", "378282246310005", "371449635398431")
IBANS = ("DE89370400440532013000", "GB29NWBK60161331926819", "FR1420041010050500013M02606", "NO9386011117947", "BE68539007547034")


def column(name, type_="string", samples=(), is_key=False):
    return ColumnFacts(name=name, canonical_type=type_, samples=tuple(samples), is_key=is_key)


def one(name, type_="string", samples=(), beside=()):
    return classify([column(name, type_, samples), *(column(other) for other in beside)])[0]


@pytest.mark.parametrize(
    ("name", "type_", "samples", "kind"),
    [
        ("email", "string", EMAILS, "email"),
        ("customerEMailAddress", "string", (), "email"),
        ("contact", "string", EMAILS, "email"),
        ("Telefonnummer", "string", ("+49 30 901820", "030 901821"), "phone"),
        ("numero_telephone", "bigint", ("33123456789", "33123456780"), "phone"),
        ("movil", "string", (), "phone"),
        ("reached_at_no", "string", [f"+4930901{n:03}" for n in range(10)], "phone"),
        ("first_name", "string", ("Ann", "Björn", "Chloé"), "person_name"),
        ("Vorname", "string", (), "person_name"),
        ("nom_de_famille", "string", ("Dupont",), "person_name"),
        ("apellidos", "string", ("García Márquez",), "person_name"),
        ("billing_address", "string", ("12 Main Street",), "address"),
        ("address1", "string", ("12 Main Street",), "address"),
        ("Straße", "varchar(80)", ("Hauptstraße 5",), "address"),
        ("ssn", "string", ("123-45-6789",), "national_id"),
        ("ref", "string", [f"123-45-67{n}" for n in range(10, 20)], "national_id"),
        ("Sozialversicherungsnummer", "string", (), "national_id"),
        ("tax_id", "string", ("12/345/67890",), "tax_id"),
        ("steuernummer", "string", (), "tax_id"),
        ("iban", "string", IBANS, "iban"),
        ("payee", "string", IBANS, "iban"),
        ("card_number", "bigint", CARDS, "credit_card"),
        ("pay_ref", "bigint", CARDS, "credit_card"),
        ("client_ip", "string", ("192.0.2.1", "2001:db8::1"), "ip"),
        ("origin", "string", [f"192.0.2.{n}" for n in range(9)], "ip"),
        ("macAddress", "string", ("00:00:5e:00:53:01",), "mac"),
        ("date_of_birth", "date", ("1984-02-29",), "birth_date"),
        ("fecha_nacimiento", "string", ("29/02/1984",), "birth_date"),
        ("birth_year", "int", ("1984",), "birth_date"),
        ("passport_no", "string", ("C01X00T47",), "passport"),
        ("driver_license_id", "string", ("D1234567",), "driver_license"),
        ("license_plate", "string", ("B-AB 1234",), "license_plate"),
        ("username", "string", ("ann84",), "username"),
        ("password_hash", "string", ("5f4dcc3b5aa765d61d8327deb882cf99",), "secret"),
        ("api_key", "string", (), "secret"),
        ("config", "string", [f"AKIAIOSFODNN7EXAMP{n:02}" for n in range(10, 16)], "secret"),
        ("gender", "string", ("f", "m", "d"), "gender"),
        ("Geschlecht", "int", ("1", "2"), "gender"),
        ("diagnosis", "string", ("J45.0",), "health"),
        ("icd10_code", "string", (), "health"),
        ("is_pregnant", "boolean", ("true",), "health"),
        ("religion", "string", (), "special_category"),
        ("salary", "decimal(12,2)", ("1000.00",), "income"),
        ("comment", "string", ("called back",), "free_text"),
        ("payload", "struct<a:string>", ('{"a":"ann@example.com"}', '{"a":"x"}'), "free_text"),
    ],
)
def test_personal_data_is_recognised(name, type_, samples, kind):
    found = one(name, type_, samples)

    assert (found.pii_kind, found.sensitivity) == (kind, load_policy().sensitivity[kind])


@pytest.mark.parametrize(
    ("name", "type_", "samples"),
    [
        pytest.param("name", "string", ("Heathrow", "Charles de Gaulle"), id="the name of an airport"),
        pytest.param("product_name", "string", ("Blue Chair",), id="the name of a product"),
        pytest.param("file_name", "string", ("a.csv",), id="the name of a file"),
        pytest.param("hostname", "string", ("web1",), id="the name of a host"),
        pytest.param("address_id", "int", ("1", "2"), id="the number of an address"),
        pytest.param("email_count", "int", ("1", "2"), id="how many e-mails"),
        pytest.param("phone_verified", "boolean", ("true",), id="a flag about a telephone"),
        pytest.param("email_verified", "string", ("yes", "no"), id="a flag in text"),
        pytest.param("email_sent_at", "timestamp", ("2024-01-01 00:00:00",), id="when an e-mail was sent"),
        pytest.param("email", "boolean", ("true",), id="whether there is an e-mail"),
        pytest.param("mobile", "string", ("yes", "no"), id="whether it was a mobile"),
        pytest.param("last_login", "string", ("2024-01-01 10:00:00",), id="when somebody logged in"),
        pytest.param("id", "bigint", [str(10**15 + 7 * n) for n in range(200)], id="numbers that pass Luhn by chance"),
        pytest.param("order_no", "string", [str(4 * 10**15 + n) for n in range(200)], id="numbers like cards, a tenth of which pass Luhn"),
        pytest.param("ts_ms", "bigint", [str(1_700_000_000_000 + n) for n in range(50)], id="points in time"),
        pytest.param("created_at", "string", [f"2024-01-{n:02} 10:00:00" for n in range(1, 29)], id="points in time in text"),
        pytest.param("build_version", "string", [f"10.0.1.{n}" for n in range(20)], id="versions that look like addresses"),
        pytest.param("token_count", "int", ("512",), id="how many tokens"),
        pytest.param("latitude", "double", ("51.47",), id="where an airport is"),
        pytest.param("city", "string", ("London",), id="the city of an airport"),
        pytest.param("zip_file", "string", ("a.zip",), id="an archive"),
        pytest.param("uuid", "string", [f"123e4567-e89b-12d3-a456-4266141740{n:02}" for n in range(20)], id="random identifiers"),
        pytest.param("sha", "string", [hashlib.sha256(bytes([n])).hexdigest() for n in range(20)], id="digests"),
        pytest.param("tax_rate", "decimal(4,2)", ("0.19",), id="a rate"),
        pytest.param("amount", "decimal(12,2)", ("1234567.89",), id="an amount"),
        pytest.param("loeschkennzeichen", "string", ("X", ""), id="a German flag"),
        pytest.param("duration", "interval day to second", ("INTERVAL '1' DAY",), id="a type outside the families"),
    ],
)
def test_what_only_sounds_personal_is_not(name, type_, samples):
    found = one(name, type_, samples)

    assert (found.pii_kind, found.sensitivity) == (None, "internal")


@pytest.mark.parametrize(
    ("name", "type_", "samples", "kind"),
    [
        ("name", "string", ("Ann Smith",), "person_name"),
        ("city", "string", ("London",), "city"),
        ("lat", "double", ("51.47",), "geo"),
        ("plz", "string", ("10115",), "postcode"),
    ],
)
def test_places_and_bare_names_are_personal_beside_people(name, type_, samples, kind):
    assert one(name, type_, samples, beside=["email"]).pii_kind == kind
    assert one(name, type_, samples, beside=["customer_id"]).pii_kind == kind
    assert one(name, type_, samples, beside=["runway_length"]).pii_kind is None


def test_a_name_that_says_email_over_other_values_is_handled_with_care():
    found = one("email", samples=[hashlib.sha256(mail.encode()).hexdigest() for mail in EMAILS])

    assert (found.pii_kind, found.sensitivity) == (None, "confidential")
    assert any("only 0 of 20 samples" in words for words in found.evidence)


@pytest.mark.parametrize(("good", "kind"), [(12, "email"), (11, "free_text")])
def test_with_the_name_sixty_percent_of_the_values_are_enough(good, kind):
    assert one("email", samples=[*EMAILS[:good], *("n/a",) * (20 - good)]).pii_kind == kind


@pytest.mark.parametrize(("good", "kind"), [(18, "email"), (17, "free_text")])
def test_without_the_name_ninety_percent_are_needed(good, kind):
    assert one("x", samples=[*EMAILS[:good], *("n/a",) * (20 - good)]).pii_kind == kind


def test_one_value_repeated_is_no_evidence_without_the_name():
    assert one("x", "bigint", CARDS[:1] * 50).pii_kind is None


def test_blank_samples_do_not_count():
    assert one("email", samples=("", "  ", *EMAILS[:1])).pii_kind == "email"


@pytest.mark.parametrize(
    ("facts", "criticality"),
    [
        (column("price", "decimal(12,2)"), "critical"),
        (column("Betrag", "double"), "critical"),
        (column("price", "string"), "normal"),
        (column("iban"), "critical"),
        (column("etl_batch", "int"), "informational"),
        (column("load_ts", "timestamp"), "informational"),
        (column("colour"), "normal"),
        (column("price", "decimal(12,2)", is_key=True), "key"),
    ],
)
def test_criticality_follows_from_key_name_and_type(facts, criticality):
    assert classify([facts])[0].criticality == criticality


def test_the_contract_decides_criticality():
    (found,) = classify([column("price", "decimal(12,2)", is_key=True)], declared={"price": "informational"})

    assert found.criticality == "informational"
    assert found.evidence[0] == "the contract says informational"


def test_every_kind_has_a_sensitivity_and_every_sensitivity_a_kind():
    assert {kind.name for kind in KINDS} == set(load_policy().sensitivity)


def test_each_phrase_is_written_as_names_are_split():
    """A phrase with an accent or a capital could never be found in the words of a name."""
    phrases = {phrase for kind in KINDS for phrase in kind.names}

    assert [phrase for phrase in phrases if words_of(phrase) != tuple(re.findall(r"[a-z]+|[0-9]+", phrase))] == []


@given(st.lists(st.text(min_size=4, max_size=30), min_size=1, max_size=5), st.sampled_from(["email", "x", "comment", "phone"]))
def test_evidence_never_shows_a_value(samples, name):
    secretive = [f"{sample}§{number}" for number, sample in enumerate(samples)]
    found = one(name, samples=secretive)

    assert not any(sample in words for sample in secretive for words in found.evidence)
    assert found.evidence


@given(
    st.lists(
        st.builds(column, st.text(max_size=12), st.sampled_from(["string", "int", "map<string,int>", "?"]), st.lists(st.text(max_size=9)))
    )
)
def test_any_table_is_classified_column_by_column(columns):
    assert [found.column for found in classify(columns)] == [facts.name for facts in columns]


@pytest.mark.parametrize(
    ("type_", "family"),
    [
        ("varchar(10)", "text"),
        ("DECIMAL(12, 2)", "decimal"),
        ("timestamp_ntz", "timestamp"),
        ("array<int>", "nested"),
        ("", "other"),
        ("void", "other"),
    ],
)
def test_families_of_types(type_, family):
    assert family_of(type_) == family


# --- masking ------------------------------------------------------------------------------------------------------

KEY = bytes(range(32))


@given(st.text(), st.text())
def test_placeholders_differ_exactly_where_values_differ(one_value, other):
    assert (mask(one_value, "email", KEY) == mask(other, "email", KEY)) == (one_value == other)


@given(st.text(min_size=1))
def test_a_placeholder_has_one_shape_whatever_the_value(value):
    assert re.fullmatch("‹email · #[0-9a-f]{10}›", mask(value, "email", KEY))


def test_the_token_is_hmac_sha256_of_kind_and_value():
    message = b"parity.mask.v1\0" + b"\0\0\0\5email" + b"\0\0\0\1x"

    assert mask("x", "email", KEY) == f"‹email · #{hmac.new(KEY, message, hashlib.sha256).hexdigest()[:10]}›"


def test_another_run_or_kind_gives_another_token():
    assert mask("f", "gender", KEY) != mask("f", "gender", new_mask_key())
    assert mask("f", "gender", KEY)[-12:] != mask("f", "username", KEY)[-12:]


def test_null_stays_null_and_no_text_can_pretend_to_be_it():
    assert mask(None, "email", KEY) == "NULL"
    assert mask("NULL", "email", KEY) != "NULL"
    assert mask("", None, KEY) == ""


def test_a_key_too_short_is_refused():
    with pytest.raises(ConfigError, match="15 bytes"):
        mask("x", "email", bytes(15))
