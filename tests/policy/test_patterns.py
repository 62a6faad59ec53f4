import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy import patterns

# Numbers that issuers and standards publish as examples; none of them belongs to anybody.
GOOD = {
    "is_email": ["ann@example.com", "a.b+tag@mail.example.co.uk", "o'hara@example.org", "x@xn--bcher-kva.example"],
    "is_phone": ["+49 30 901820", "(555) 010-0199", "555-0100-199", "0049 (0)30/901820", "5550100199", "020 7946 0958 x12"],
    "is_prefixed_phone": ["+49 30 901820", "+15550100199"],
    "is_credit_card": [
        "4111111111111111",
        "5555 5555 5555 4444",
        "3782-822463-10005",
        "6011111111111117",
        "30569309025904",
        "3530111333300000",
    ],
    "is_iban": ["DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "fr1420041010050500013M02606", "NO9386011117947"],
    "is_ip": ["192.0.2.7", "2001:db8::1", "198.51.100.0/24"],
    "is_mac": ["00:00:5e:00:53:01", "00-00-5E-00-53-01", "0000.5e00.5301"],
    "is_us_ssn": ["123-45-6789"],
    "is_birth_date": ["1984-02-29", "29.02.1984", "2/29/1984", "19840229", "1984", "1984-02-29 00:00:00"],
    "is_gender": ["F", "male", "Weiblich", "männlich", "2"],
    "is_person_name": ["Ann", "Anne-Marie O'Neill", "GARCÍA MÁRQUEZ, Gabriel", "李小龍", "J. R. R. Tolkien"],
    "is_street_address": ["12 Main Street", "Hauptstraße 5", "東京都千代田区1"],
    "is_postcode": ["10115", "SW1A 1AA", "1012 AB", "12345-6789"],
    "is_latitude_or_longitude": ["52.52", "-179.9", "52.5, 13.4", "(52.5;13.4)"],
    "is_secret": [
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "$2b$12$" + "a" * 53,
        "-----BEGIN RSA PRIVATE KEY-----\nMII",
    ],
    "is_passport": ["C01X00T47", "123456789"],
    "is_plate": ["B-AB 1234", "7ABC123"],
    "holds_personal_data": [
        "call ann@example.com now",
        '{"mail":"ann@example.com"}',
        "pay to DE89 3704 0044 0532 0130 00 please",
        "card 4111 1111 1111 1111.",
    ],
}
BAD = {
    "is_email": ["ann", "ann@localhost", "a..b@example.com", ".a@example.com", "ann@-x.com", "ann@example.c", "a b@c.de", "@c.de", ""],
    "is_phone": ["2024-01-01", "2024-01-01 10:00", "123456", "1234567890123456", "12.5", "ann", "", "01.02.2024"],
    "is_prefixed_phone": ["5550100199", "+1", "+00000000000", "1+5550100199"],
    "is_credit_card": ["4111111111111112", "1234567812345670", "411111111111111", "1700000000000", "", "٤111111111111111"],
    "is_iban": ["DE89370400440532013001", "DE8937040044053201300", "XX89370400440532013000", "ABCDEFGH", ""],
    "is_ip": ["10.0.19041.1", "1.2.3", "7", "ann", "", "::gg"],
    "is_mac": ["00:00:5e:00:53", "00005e005301", "zz:00:5e:00:53:01"],
    "is_us_ssn": ["000-45-6789", "666-45-6789", "900-45-6789", "123-00-6789", "123-45-0000", "123456789"],
    "is_birth_date": ["1749-08-28", "2984-02-29", "1984-02-29 10:00:01", "ann", "", "99"],
    "is_gender": ["maybe", "", "12"],
    "is_person_name": ["apache/spark", "Schiphol Airport", "Acme GmbH", "ann@example.com", "item 7", "snake_case", "a b c d e f g", ""],
    "is_street_address": ["ann@example.com", "0xAb5801a7D398351b8bE11C439e05C5B3259aeC9B", "12 34", "https://example.com/a b"],
    "is_postcode": ["", "abc", "12345678901", "N/A"],
    "is_latitude_or_longitude": ["181", "52.5 N", "", "1,2,3", "nan"],
    "is_secret": ["hunter2", "token", "eyJ", ""],
    "is_passport": ["", "ABCDEFGH", "1"],
    "is_plate": ["ABC", "123", ""],
    "holds_personal_data": ["", "4111111111111111", "-6.4111111111111111", "order 1234567812345670", "@channel see a@b", "DE89 is it"],
}  # fmt: skip


@pytest.mark.parametrize(("test", "value"), [(test, value) for test, values in GOOD.items() for value in values])
def test_it_has_the_form(test, value):
    assert getattr(patterns, test)(value)


@pytest.mark.parametrize(("test", "value"), [(test, value) for test, values in BAD.items() for value in values])
def test_it_has_not_the_form(test, value):
    assert not getattr(patterns, test)(value)


@given(st.sampled_from(GOOD["is_iban"]), st.integers(4, 14), st.integers(1, 9))
def test_one_digit_changed_is_no_iban(iban, place, by):
    text = iban.replace(" ", "")
    if text[place].isdigit():
        assert not patterns.is_iban(text[:place] + str((int(text[place]) + by) % 10) + text[place + 1 :])


@given(st.integers(6, 14), st.integers(1, 9))
def test_one_digit_changed_is_no_card(place, by):
    text = "4111111111111111"

    assert not patterns.is_credit_card(text[:place] + str((int(text[place]) + by) % 10) + text[place + 1 :])


@given(st.sampled_from(patterns.__all__), st.text(max_size=40))
def test_any_text_gets_an_answer(test, value):
    assert getattr(patterns, test)(value) in (True, False)
