import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import policy
from policy.severity import SEVERITIES, finding_severity, load_policy, rated, row_severity, severity_of
from schemas.errors import ConfigError
from schemas.policy import CELL_CLASSES, ROW_CLASSES
from schemas.verdict import Finding

ROOT = Path(policy.__file__).parent.parent
GRAVEST_FIRST = SEVERITIES.index


def test_a_more_critical_column_is_never_graded_milder():
    for cell_class in CELL_CLASSES:
        graded = [GRAVEST_FIRST(severity_of(level, cell_class)) for level in ("key", "critical", "normal", "informational")]
        assert graded == sorted(graded), cell_class


def test_a_lost_value_is_never_milder_than_a_tolerated_one():
    for level in ("key", "critical", "normal", "informational"):
        for real in ("value", "null_to_value", "value_to_null", "unparsable"):
            assert GRAVEST_FIRST(severity_of(level, real)) <= GRAVEST_FIRST(severity_of(level, "within_tolerance"))


def test_every_normaliser_is_graded_alike():
    assert severity_of("key", "normalised:rtrim") == severity_of("key", "normalised:casefold") == "LOW"


def test_a_cell_class_nobody_graded_counts_as_a_differing_value():
    assert severity_of("critical", "brand_new") == severity_of("critical", "value")


def test_rows_have_severities_and_equal_rows_are_no_trouble():
    assert {row_class: row_severity(row_class) for row_class in ROW_CLASSES} == {
        "changed": "HIGH",
        "missing": "CRITICAL",
        "extra": "HIGH",
        "multiplicity": "HIGH",
    }
    assert row_severity("matched") == row_severity("matched_by_rule") == "INFO"


@pytest.mark.parametrize(
    ("finding_class", "severity"),
    [
        ("missing_column", "HIGH"),
        ("extra_column", "LOW"),
        ("renamed", "INFO"),
        ("widened", "INFO"),
        ("narrowed", "LOW"),
        ("type_changed", "HIGH"),
        ("nullability", "INFO"),
        ("order", "INFO"),
        ("duplicate_keys", "MEDIUM"),
        ("null_keys", "MEDIUM"),
        ("constant", "INFO"),
        ("file_schema_drift", "MEDIUM"),
        ("csv_settings", "INFO"),
        ("pad", "INFO"),
        ("key_collision", "MEDIUM"),
        ("candidate_key", "INFO"),
        ("never heard of", "MEDIUM"),
    ],
)
def test_findings_are_graded_as_the_contract_says(finding_class, severity):
    assert finding_severity(finding_class) == severity


def test_the_policy_overrules_a_door_and_keeps_what_it_does_not_know():
    def finding(class_, severity):
        return Finding.model_validate({"class": class_, "severity": severity, "text": "x"})

    graded = rated([finding("widened", "HIGH"), finding("odd_door_thing", "LOW")])

    assert [(found.class_, found.severity) for found in graded] == [("widened", "INFO"), ("odd_door_thing", "LOW")]


def test_a_policy_file_is_read_and_a_bad_one_is_named(tmp_path):
    document = json.loads(load_policy().model_dump_json(by_alias=True))
    document["findings"]["widened"] = "CRITICAL"
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(document))
    bad.write_text("{}")

    assert finding_severity("widened", load_policy(good)) == "CRITICAL"
    for path in (bad, tmp_path / "absent.json"):
        with pytest.raises(ConfigError) as caught:
            load_policy(path)
        assert caught.value.object == str(path)


def test_the_policy_is_found_inside_a_zip_and_no_spark_is_needed(tmp_path):
    archive = tmp_path / "parity.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for package in ("policy", "schemas"):
            for path in (ROOT / package).iterdir():
                if path.suffix in (".py", ".json"):
                    packed.write(path, f"{package}/{path.name}")
    program = (
        "import sys; sys.modules['pyspark'] = None\n"
        "import policy.classify, policy.coverage, policy.verdict, policy.severity as s\n"
        "print(s.__file__); print(s.finding_severity('type_changed'))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(archive)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "parity.zip" in ran.stdout
    assert ran.stdout.split()[-1] == "HIGH"
