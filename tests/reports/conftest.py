"""Realistic results, one per verdict; see report_documents."""

from __future__ import annotations

import pytest
import report_documents

from reports.model import ReportData


@pytest.fixture(params=sorted(report_documents.ALL))
def any_report(request: pytest.FixtureRequest) -> ReportData:
    """Return each report in turn."""
    return report_documents.ALL[request.param]()
