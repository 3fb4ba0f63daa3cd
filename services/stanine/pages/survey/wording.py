"""Sentences about questions in the language of the interface: hints, errors, progress, time. Used by the survey."""

from collections.abc import Callable
from datetime import datetime

from babel.dates import format_datetime
from babel.numbers import format_decimal

from stanine.client.records import AttributeInfo, ItemInfo, OptionInfo
from stanine.pages.languages import catalog, locale

#: Scales that are set horizontally on a wide page: most options, and longest label in characters.
_WIDE = ((5, 28), (7, 22), (11, 3))


class Wording:
    """The sentences in one language."""

    def __init__(self, language: str) -> None:
        texts = catalog(language)
        self._locale = locale(language)
        self.gettext: Callable[[str], str] = texts.gettext
        self.ngettext: Callable[[str, str, int], str] = texts.ngettext

    def number(self, x: float) -> str:
        """Return a number as people read and type it."""
        return format_decimal(x, "#.#########", self._locale)

    def time(self, moment: datetime) -> str:
        """Return a time with its zone."""
        return format_datetime(moment, "medium", locale=self._locale) + " UTC"

    def number_hint(self, item: ItemInfo) -> str:
        """Return which numbers an item takes."""
        low, high = self.number(item.min or 0), self.number(item.max or 0)
        if item.integer and item.step is None:
            return self.gettext("A whole number from %(low)s to %(high)s.") % {
                "low": low,
                "high": high,
            }
        if item.step is not None:
            return self.gettext("A number from %(low)s to %(high)s, in steps of %(step)s.") % {
                "low": low,
                "high": high,
                "step": self.number(item.step),
            }
        return self.gettext("A number from %(low)s to %(high)s.") % {"low": low, "high": high}

    def choose_hint(self, item: ItemInfo) -> str:
        """Return how many options of a Multiple may be chosen."""
        low, high = item.min_chosen or 0, item.max_chosen or len(item.options)
        numbers = {"low": self.number(low), "high": self.number(high)}
        if low == high:
            return self.gettext("Choose exactly %(low)s.") % numbers
        if low > 0 and high < len(item.options):
            return self.gettext("Choose %(low)s to %(high)s.") % numbers
        if low > 0:
            return self.gettext("Choose at least %(low)s.") % numbers
        if high < len(item.options):
            return self.gettext("Choose up to %(high)s.") % numbers
        return self.gettext("Choose all that apply.")

    def missing(self) -> str:
        """Return the error of a required question without an answer."""
        return self.gettext("Please answer this question.")

    def wrong(self, item: ItemInfo, code: str) -> str:
        """Return the error of an answer that an item does not take. `code`: the domain's."""
        if code == "NotDistinct":
            return self.gettext("This must differ from your other choice.")
        match item.type:
            case "Number":
                return self.number_hint(item)
            case "Multiple":
                return self.choose_hint(item)
            case "Ranking":
                return self.gettext("Put all options in order.")
            case "Text":
                return self.gettext("At most %(count)s characters.") % {
                    "count": self.number(item.max_length or 0)
                }
            case "Date":
                return self.gettext("Please enter a date that exists, with day, month and year.")
        return self.gettext("Choose one of the options.")

    def wrong_attribute(self, attribute: AttributeInfo) -> str:
        """Return the error of a value that an attribute does not take."""
        if attribute.values is not None:
            return self.gettext("Choose one of the options.")
        match attribute.type:
            case "Integer":
                return self.gettext("Please enter a whole number.")
            case "Number":
                return self.gettext("Please enter a number.")
        return self.gettext("Please enter a text of one line.")

    def progress(self, number: int, count: int) -> str:
        """Return where a page is among the pages."""
        return self.gettext("Page %(number)s of %(count)s") % {
            "number": self.number(number),
            "count": self.number(count),
        }

    def minutes(self, minutes: int) -> str:
        """Return a duration."""
        return self.ngettext("%(num)s minute", "%(num)s minutes", minutes) % {
            "num": self.number(minutes)
        }

    def limit(self, seconds: int) -> str:
        """Return a time limit: in minutes, with seconds if it has some."""
        minutes, rest = divmod(seconds, 60)
        if minutes and not rest:
            return self.minutes(minutes)
        its = self.ngettext("%(num)s second", "%(num)s seconds", rest) % {"num": self.number(rest)}
        if not minutes:
            return its
        return self.gettext("%(minutes)s and %(seconds)s") % {
            "minutes": self.minutes(minutes),
            "seconds": its,
        }

    def time_left(self, seconds: float) -> str:
        """Return how much time is left, in whole minutes."""
        if seconds <= 0:
            return self.gettext("The time is over.")
        return self.gettext("Time left: %(time)s") % {"time": self._minutes_left(seconds)}

    def section_time_left(self, seconds: float) -> str:
        """Return how much time is left for a section, in whole minutes."""
        if seconds <= 0:
            return self.gettext("The time for this section is over.")
        return self.gettext("Time left for this section: %(time)s") % {
            "time": self._minutes_left(seconds)
        }

    def _minutes_left(self, seconds: float) -> str:
        return self.minutes(max(1, int(seconds // 60)))

    def for_script(self) -> dict[str, str]:
        """Return the sentences that scripts say."""
        _ = self.gettext
        return {
            "saved": _("Saved"),
            "cleared": _("Answer cleared"),
            "offline": _(
                "No connection. Your answers are kept on this device and sent as soon as there is one."
            ),
            "closed": _("This questionnaire is closed; further answers are not saved."),
            "fiveMinutes": _("Five minutes are left."),
            "oneMinute": _("One minute is left."),
            "over": _("The time is over."),
            "timeLeft": _("Time left: %(time)s"),
            "sectionFiveMinutes": _("Five minutes are left for this section."),
            "sectionOneMinute": _("One minute is left for this section."),
            "sectionOver": _("The time for this section is over."),
            "sectionTimeLeft": _("Time left for this section: %(time)s"),
        }


def label(option: OptionInfo) -> str:
    """Return what people read for an option."""
    return option.label or str(option.value)


def is_wide(item: ItemInfo) -> bool:
    """Return whether the options of a Choice are set horizontally on a wide page."""
    count, longest = len(item.options), max((len(label(one)) for one in item.options), default=0)
    return count >= 3 and any(count <= most and longest <= length for most, length in _WIDE)


def has_slider(item: ItemInfo) -> bool:
    """Return whether a Number has a slider too: its ends are labelled, or it has steps."""
    return bool(item.min_label or item.max_label or item.step is not None)
