"""The demo's picture: values over time with the outage marked, and below it what waited in the box's log.

Everything in it comes from the consumer's side. A sample counts as waiting from its own time until its batch
arrived. Dots of samples that were on their way while the broker was away have another colour.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_INK, _QUIET, _GRID = "#1f2933", "#66727f", "#e4e8ec"
_LIVE, _LATE, _AWAY, _LOG = "#1b6ca8", "#d97706", "#fde2dc", "#5b4a9e"


@dataclass
class Series:
    """One point: sample times (UTC ms), values, and when each arrived; `failed_ms` are failed reads."""

    name: str
    unit: str
    times_ms: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    arrivals_ms: list[int] = field(default_factory=list)
    failed_ms: list[int] = field(default_factory=list)


def choose(series: Sequence[Series], wanted: Sequence[str], limit: int = 4) -> list[Series]:
    """The wanted names that exist, filled up with those that move most, at most `limit`."""
    by_name = {one.name: one for one in series if one.values}
    chosen = [by_name.pop(name) for name in wanted if name in by_name][:limit]
    rest = sorted(by_name.values(), key=lambda one: -len(set(one.values)))
    return chosen + rest[: limit - len(chosen)]


def backlog(times_ms: Sequence[int], arrivals_ms: Sequence[int], grid_ms: Sequence[int]) -> list[int]:
    """How many samples had been taken but had not arrived at each time of `grid_ms`."""
    taken, arrived = sorted(times_ms), sorted(arrivals_ms)
    return [bisect_right(taken, at) - bisect_right(arrived, at) for at in grid_ms]


def met_outage(at_ms: int, arrival_ms: int, outages_ms: Sequence[tuple[int, int]]) -> bool:
    """Whether a sample was on its way at any moment of an outage."""
    return any(at_ms <= high and arrival_ms >= low for low, high in outages_ms)


def draw(
    path: Path,
    series: Sequence[Series],
    samples: Sequence[tuple[int, int]],
    outages_ms: Sequence[tuple[int, int]],
    felt_ms: Sequence[tuple[int, int]],
    kills_ms: Sequence[int],
    title: str,
) -> None:
    """Write the PNG. `samples`: (time, arrival) of every sample of every group; times in UTC ms.

    `felt_ms`: the outages until the first delivery after each.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    start = min(at for at, _ in samples)
    end = max(arrival for _, arrival in samples)
    rows = len(series) + 1
    style = {
        "font.size": 9, "axes.edgecolor": _GRID, "axes.labelcolor": _INK, "text.color": _INK,
        "xtick.color": _QUIET, "ytick.color": _QUIET, "axes.axisbelow": True,
    }  # fmt: skip
    with plt.rc_context(style):
        figure, panels = plt.subplots(
            rows, 1, sharex=True, figsize=(9.6, 1.35 * rows + 1.1), height_ratios=[1.0] * len(series) + [1.2]
        )
        for panel in panels:
            _prepare(panel, start, end, outages_ms, kills_ms)
        for panel, one in zip(panels, series, strict=False):
            _values(panel, one, start, felt_ms)
        _log_depth(panels[-1], samples, start, end)
        panels[-1].set_xlabel("seconds since the first sample")
        handles: list[Any] = [
            Line2D([], [], color=_LIVE, marker="o", markersize=4, linewidth=1, label="arrived live"),
            Line2D([], [], color=_LATE, marker="o", markersize=4, linewidth=0, label="arrived later, from the log"),
        ]
        if outages_ms:
            handles.append(Patch(color=_AWAY, label="broker away"))
        if kills_ms:
            handles.append(Line2D([], [], color="#b42318", linestyle="--", label="firmware killed (kill -9)"))
        figure.text(0.012, 0.985, title, ha="left", va="top", fontsize=12, fontweight="bold")
        figure.legend(
            handles=handles, loc="upper right", bbox_to_anchor=(0.995, 0.96), ncols=len(handles), frameon=False,
            fontsize=8, handletextpad=0.5, columnspacing=1.2,
        )  # fmt: skip
        figure.tight_layout(rect=(0, 0, 1, 0.935))
        figure.align_ylabels(panels)
        figure.savefig(path, dpi=150)
        plt.close(figure)


def _prepare(panel: Any, start: int, end: int, outages: Sequence[tuple[int, int]], kills: Sequence[int]) -> None:
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    panel.grid(axis="y", color=_GRID, linewidth=0.7)
    panel.tick_params(length=0)
    panel.set_xlim(-0.5, (end - start) / 1000 + 0.5)
    for low, high in outages:
        panel.axvspan((low - start) / 1000, (high - start) / 1000, color=_AWAY, linewidth=0, zorder=0)
    for at in kills:
        panel.axvline((at - start) / 1000, color="#b42318", linestyle="--", linewidth=1)


def _values(panel: Any, one: Series, start: int, outages: Sequence[tuple[int, int]]) -> None:
    points = sorted(zip(one.times_ms, one.values, one.arrivals_ms, strict=True))
    seconds = [(at - start) / 1000 for at, _, _ in points]
    panel.plot(seconds, [v for _, v, _ in points], color=_LIVE, linewidth=1, alpha=0.5)
    for colour, late in ((_LIVE, False), (_LATE, True)):
        some = [(at, v) for at, v, arrival in points if met_outage(at, arrival, outages) == late]
        panel.plot([(at - start) / 1000 for at, _ in some], [v for _, v in some], "o", color=colour, markersize=2.6)
    if one.failed_ms:
        low = panel.get_ylim()[0]
        panel.plot([(at - start) / 1000 for at in one.failed_ms], [low] * len(one.failed_ms), "x", color="#b42318",
                   markersize=4, clip_on=False)  # fmt: skip
    label = "\n".join([*one.name.replace("_", " ").split(".", 1), *filter(None, [one.unit])])
    panel.set_ylabel(label, rotation=0, ha="left", va="center", labelpad=78)
    panel.margins(y=0.18)
    panel.yaxis.get_major_locator().set_params(nbins=4)
    panel.ticklabel_format(axis="y", useOffset=False, style="plain")


def _log_depth(panel: Any, samples: Sequence[tuple[int, int]], start: int, end: int) -> None:
    grid = list(range(start, end + 100, 100))
    depth = backlog([at for at, _ in samples], [arrival for _, arrival in samples], grid)
    seconds = [(at - start) / 1000 for at in grid]
    panel.fill_between(seconds, depth, step="post", color=_LOG, alpha=0.25, linewidth=0)
    panel.step(seconds, depth, where="post", color=_LOG, linewidth=1.2)
    panel.set_ylabel("waiting\nin the box\nsamples", rotation=0, ha="left", va="center", labelpad=78)
    peak = max(depth)
    at = seconds[depth.index(peak)]
    panel.set_ylim(0, max(peak * 1.3, 1))
    panel.annotate(f"{peak} samples", (at, peak), xytext=(0, 4), textcoords="offset points", fontsize=8, color=_LOG,
                   ha="center", va="bottom")  # fmt: skip
