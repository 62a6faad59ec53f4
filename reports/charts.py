"""Breakdowns to inline SVG: horizontal bars, no script, no style of their own but class names."""

from __future__ import annotations

from markupsafe import Markup

from reports.escape import plain
from reports.figures import count, percent
from reports.model import Bar, Breakdown

__all__ = ["bar_chart", "meter"]

_WIDTH = 720
_LABEL = 200
_VALUE = 150
_ROW = 30
_MOST_BARS = 20
_LETTERS = 28  # that fit in the label at 13 px


def bar_chart(breakdown: Breakdown) -> Markup:
    """Return one chart: label, bar, number and share of the total per row.

    Args:
        breakdown: bars in display order; beyond 20, the rest is summed up in the last row, without a bar. Bars with a text of
            their own may overlap: nothing is said of their sum.
    """
    total = sum(bar.value for bar in breakdown.bars)
    bars = breakdown.bars[:_MOST_BARS]
    most = max((bar.value for bar in bars), default=0)
    drawn = [_bar(index, bar, most, total) for index, bar in enumerate(bars)]
    if rest := breakdown.bars[_MOST_BARS:]:
        bars += (Bar(f"{len(rest):,} more", sum(bar.value for bar in rest), "summed up"),)
        drawn.append(_bar(len(drawn), bars[-1], 0, total))
    rows = Markup("").join(drawn)
    spoken = "; ".join(f"{plain(bar.label, lines=False)}: {bar.text or count(bar.value)}" for bar in bars)
    height = max(1, len(bars)) * _ROW
    return Markup('<svg class="chart" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{label}">{rows}</svg>').format(
        w=_WIDTH, h=height, label=f"{plain(breakdown.title, lines=False)}, {plain(breakdown.unit, lines=False)}. {spoken}", rows=rows
    )


def _bar(index: int, bar: Bar, most: int, total: int) -> Markup:
    room = _WIDTH - _LABEL - _VALUE
    length = max(2.0, room * bar.value / most) if bar.value and most else 0.0
    top, middle = index * _ROW, index * _ROW + _ROW // 2
    full = plain(bar.label, lines=False)
    label = full if len(full) <= _LETTERS else full[: _LETTERS - 1] + "…"
    hint = f"{full}: {bar.text or count(bar.value)}" + (f", {plain(bar.hint, lines=False)}" if bar.hint else "")
    return Markup(
        '<g><title>{hint}</title><text class="chart-label" x="{lx}" y="{m}" text-anchor="end" dominant-baseline="central">{label}</text>'
        '<rect class="chart-rail" x="{x}" y="{y}" width="{room}" height="12" rx="2"/>'
        '<rect class="chart-bar" x="{x}" y="{y}" width="{length}" height="12" rx="2"/>'
        '<text class="chart-value" x="{vx}" y="{m}" dominant-baseline="central">{value}'
        '<tspan class="chart-share" dx="8">{share}</tspan></text></g>'
    ).format(
        hint=hint, label=label or "(no name)", lx=_LABEL - 14, m=middle, x=_LABEL, y=top + 9, room=room, length=f"{length:.1f}",
        vx=_LABEL + room + 14, value=bar.text or count(bar.value), share="" if bar.text else percent(bar.value, total),
    )  # fmt: skip


def meter(fraction: float, label: str) -> Markup:
    """Return a small bar for a share of 0…1, unitless; full only when it is all."""
    length = 120.0 if fraction >= 1 else min(118.0, max(2.0 if fraction > 0 else 0.0, 120.0 * fraction))
    return Markup(
        '<svg class="meter" viewBox="0 0 120 8" width="120" height="8" role="img" aria-label="{label}">'
        '<rect class="chart-rail" width="120" height="8" rx="4"/><rect class="chart-bar" width="{length}" height="8" rx="4"/></svg>'
    ).format(label=plain(label, lines=False), length=f"{length:.1f}")
