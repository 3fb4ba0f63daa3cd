"""Sentences about scores in the language of the interface. Used by the routes of the result and the group report."""

from collections.abc import Iterable
from datetime import date

from babel.dates import format_skeleton
from babel.numbers import format_decimal, format_percent

from stanine.pages.languages import catalog, locale
from stanine.pages.result.figures import ShownScale

#: Digits after the point that are shown, by unit. Files have all.
_PATTERNS = {"T": "0.0", "Percentile": "0", "Sten": "0", "Stanine": "0"}


class ScoreWording:
    """The sentences in one language."""

    def __init__(self, language: str) -> None:
        texts = catalog(language)
        self._locale = locale(language)
        self.gettext = texts.gettext
        self.ngettext = texts.ngettext

    def number(self, x: float | None, unit: str = "") -> str:
        """Return a score, rounded to be read; a dash for none."""
        if x is None:
            return "\N{EN DASH}"
        return format_decimal(x, _PATTERNS.get(unit, "0.##"), self._locale)

    def unit(self, unit: str) -> str:
        """Return the name of a unit of scores."""
        _ = self.gettext
        return {
            "Raw": _("Raw score"),
            "Z": _("z score"),
            "T": _("T score"),
            "Sten": _("Sten"),
            "Stanine": _("Stanine"),
            "Percentile": _("Percentile"),
        }.get(unit, _("Score"))

    def percent(self, share: float) -> str:
        """Return a share of 1 in percent, unrounded: 0.95 gives 95%, in German 95 %."""
        return format_percent(share, locale=self._locale, decimal_quantization=False)

    def month(self, month: str) -> str:
        """Return a month of a year, such as 2026-11, in words."""
        return format_skeleton("yMMMM", date.fromisoformat(f"{month}-01"), locale=self._locale)

    def interval(self, figures: ShownScale) -> str | None:
        """Return the interval of a score; None: it has none."""
        if figures.low is None or figures.high is None:
            return None
        # An isolate keeps the order of the two numbers in a text from right to left.
        low, high = (self.number(x, figures.unit) for x in (figures.low, figures.high))
        return f"\u2066{low} \N{EN DASH} {high}\u2069"

    def named_interval(self, figures: ShownScale) -> str | None:
        """Return the interval of a score with its confidence level; None: it has none."""
        interval = self.interval(figures)
        if interval is None:
            return None
        if figures.level is None:
            return self.gettext("Confidence interval: %(interval)s") % {"interval": interval}
        words = {"interval": interval, "level": self.percent(figures.level)}
        return self.gettext("%(level)s confidence interval: %(interval)s") % words

    def answered(self, figures: ShownScale) -> str:
        """Return how many questions of a scale were answered."""
        return self.gettext("%(valid)s of %(items)s") % {
            "valid": self.number(figures.valid),
            "items": self.number(figures.items),
        }

    def no_score(self, figures: ShownScale) -> str:
        """Return why a scale has no score."""
        if figures.status in {"TooFewAnswers", "MissingValue"}:
            return self.gettext("No score: too few questions were answered.")
        if figures.status != "Scored":
            return self.gettext("No score: it cannot be computed from these answers.")
        return self.gettext("No score: there are no figures to compare with.")

    def how_to_read(self, scales: Iterable[ShownScale]) -> list[str]:
        """Return sentences that explain what a result shows."""
        _, shown = self.gettext, list(scales)
        units = {one.unit for one in shown if one.norm is not None}
        said = [_("The dot marks your score on the line of possible scores.")]
        if any(one.low is not None for one in shown):
            said.append(
                _(
                    "The bar around it is the confidence interval: no questionnaire measures exactly, and your score"
                    " probably lies within the bar."
                )
            )
        levels = {one.level for one in shown if one.low is not None}
        if len(levels) == 1 and (level := levels.pop()) is not None:
            said.append(
                _(
                    "For %(level)s of people, an interval of %(level)s contains the score that an exact measurement"
                    " would give."
                )
                % {"level": self.percent(level)}
            )
        if units:
            said.append(
                _(
                    "A score is compared with the norm group that the table names. About two of three people of the"
                    " norm group are in the shaded area."
                )
            )
        explained = {
            "T": _("T scores of the norm group have the mean 50 and the standard deviation 10."),
            "Z": _("z scores of the norm group have the mean 0 and the standard deviation 1."),
            "Sten": _("Stens go from 1 to 10; the mean of the norm group is 5.5."),
            "Stanine": _("Stanines go from 1 to 9; the mean of the norm group is 5."),
        }
        said += [text for unit, text in explained.items() if unit in units]
        if any(one.percentile is not None for one in shown):
            said.append(
                _(
                    "A percentile is the share of the norm group, in percent, that has at most your score."
                )
            )
        said.append(
            _(
                "The table says how many questions of each scale you answered. A scale with too few answers has no"
                " score. A result describes your answers; it is no diagnosis."
            )
        )
        return said
